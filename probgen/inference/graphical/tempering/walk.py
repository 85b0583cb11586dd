"""Particles on the path between independent variables and a network, in either direction."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from probgen.inference.graphical.clusters.model import is_ferromagnetic
from probgen.inference.graphical.method import GraphPlan
from probgen.inference.graphical.swendsen_wang import SwendsenWang
from probgen.inference.graphical.tempering.path import Path
from probgen.inference.graphical.tempering.weights import Weights

__all__ = ["Walk", "target_draws"]

_RELAXATION = 50
"""Sweeps at the network between resampling and walking back."""


class Walk:
    """Walks of `plan.chains` particles, `sweeps` sweeps at each of `positions` (0 ... 1)."""

    def __init__(self, path: Path, positions: np.ndarray, sweeps: int, plan: GraphPlan):
        self.path, self.positions, self.plan = path, positions, plan
        self._sweeps = sweeps
        self.updates = 0
        self._rng = np.random.default_rng((plan.seed % 2**128, 201))
        self._done = 0

    def forward(self) -> tuple[np.ndarray, Weights]:
        """States (n, C) at the end, and weights whose mean is the evidence."""
        states = self.path.draw_base(self.plan.chains, (self.plan.seed % 2**128, 202))
        log = np.zeros(self.plan.chains)
        key = self.new_key()
        for k, (start, stop) in enumerate(pairwise(self.positions)):
            log += self.path.statistics(states).step(start, stop)
            if stop < 1:
                self.sweep(states, stop, key, k * self._sweeps, self._sweeps)
            self._tell("annealing")
        return states, Weights(log)

    def backward(self, states: np.ndarray) -> Weights:
        """Weights whose mean is the inverse evidence, from draws of the network (changed)."""
        log = np.zeros(self.plan.chains)
        key = self.new_key()
        for k, (stop, start) in enumerate(pairwise(self.positions[::-1])):
            log -= self.path.statistics(states).step(start, stop)
            if start > 0:
                self.sweep(states, start, key, k * self._sweeps, self._sweeps)
            self._tell("annealing back")
        return Weights(log)

    def follow(
        self, states: np.ndarray, weights: Weights
    ) -> tuple[np.ndarray | None, dict[str, np.ndarray]]:
        """Draws (C, draws, n) from particles resampled by weight, each after one more sweep."""
        if not self.plan.draws:
            return None, {}
        current = self.resample(states, weights)
        draws = np.empty((self.plan.chains, self.plan.draws, len(states)), dtype=states.dtype)
        key = self.new_key()
        for d in range(self.plan.draws):
            self.sweep(current, 1.0, key, d, 1)
            draws[:, d] = current.T
        return draws, {"log_joint": self.path.factors.log_joint(draws)}

    def resample(self, states: np.ndarray, weights: Weights) -> np.ndarray:
        """Equally weighted particles, (n, C)."""
        return np.ascontiguousarray(states[:, weights.resample(self._rng.random())])

    def sweep(self, states: np.ndarray, s: float, key: int, first: int, sweeps: int) -> None:
        """Gibbs sweeps number `first`, ... of `states` (n, C), in place, at position s."""
        self.path.sweeper(s).sweep(states, key, first, sweeps, threads=self.plan.threads)
        self.updates += states.size * sweeps

    def new_key(self) -> int:
        """Another key for random numbers."""
        return int(self._rng.integers(2**63))

    def _tell(self, what: str) -> None:
        self._done += 1
        if self.plan.progress:
            self.plan.progress(self._done, 2 * (len(self.positions) - 1), what)


def target_draws(walk: Walk, states: np.ndarray, weights: Weights) -> tuple[np.ndarray, str]:
    """Draws of the network to walk back from, (n, C), and what they are.

    Where they are only nearly draws of the network, the reverse estimate is only nearly a bound.
    """
    factors, plan = walk.path.factors, walk.plan
    if is_ferromagnetic(factors):
        seed = plan.seed + 7
        relaxed = GraphPlan(plan.chains, 1, 2 * _RELAXATION, seed, plan.threads)
        drawn = SwendsenWang().run(factors, relaxed).states
        if drawn is not None:
            return np.ascontiguousarray(drawn[:, 0].T), "draws of Swendsen-Wang"
    current = walk.resample(states, weights)
    walk.sweep(current, 1.0, walk.new_key(), 0, _RELAXATION)
    return current, f"particles resampled by weight and {_RELAXATION} sweeps"
