"""One run of parallel tempering: start, warm-up with moving levels, draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from probgen.inference.graphical.blocks.start import starting_states
from probgen.inference.graphical.method import GraphPlan
from probgen.inference.graphical.sweeps.engine import StateCounter
from probgen.inference.graphical.sweeps.log_joint import LogJoint
from probgen.inference.graphical.sweeps.streaming import StateCounts
from probgen.inference.graphical.tempering.bridge import Bridge, bridge_constants
from probgen.inference.graphical.tempering.path import Path
from probgen.inference.graphical.tempering.pilot import Pilot
from probgen.inference.graphical.tempering.positions import levels_for, respaced
from probgen.inference.graphical.tempering.replicas import Iteration, Replicas
from probgen.inference.graphical.whole_steps import WholeSteps
from probgen.targets.factors import Factors

__all__ = ["Run", "cold_states"]

_ROUNDS = (0.125, 0.125, 0.25)
"""Shares of the warm-up after which the levels are placed anew; the rest only settles."""
_GROUPS = 64
"""Groups of draws, over all ladders, between which the error of the evidence is found."""


class Settings(Protocol):
    """The fields of `ParallelTempering` that a run reads."""

    @property
    def levels(self) -> int | None: ...
    @property
    def target_swap(self) -> float: ...
    @property
    def most_levels(self) -> int: ...
    @property
    def sweeps(self) -> int: ...


def cold_states(factors: Factors, first: Pilot, plan: GraphPlan) -> np.ndarray:
    """Possible states of the network, (n, C): where the pilot ended if it reached some."""
    if first.weights.ess == 0:
        return starting_states(factors, plan.chains, plan.seed)
    chosen = np.linspace(0, first.states.shape[1], plan.chains, endpoint=False).astype(int)
    return np.ascontiguousarray(first.states[:, first.weights.resample(0.5)[chosen]])


class Run:
    """Replicas of `plan.chains` ladders and what is gathered from them."""

    def __init__(
        self,
        method: Settings,
        path: Path,
        first: Pilot,
        cold: np.ndarray,
        plan: GraphPlan,
        spread: Callable = map,
    ):
        self.method, self.plan = method, plan
        # Of two normal laws d apart, in standard deviations, swaps are refused at erf(d / 2):
        # half for 0.95, and about 0.56 d for close ones.
        levels = method.levels or levels_for(
            0.56 * first.length, method.target_swap, method.most_levels
        )
        self.replicas = Replicas(path, first.positions(levels - 1), cold, plan.seed, spread)
        cards = path.factors.cards
        self.counts = StateCounts(cards, plan.chains)
        self._counter = StateCounter(np.arange(len(cards)), cards)
        self._batches = StateCounts.batches(plan.chains, plan.draws)
        self.draws = np.empty((plan.chains, plan.draws, len(cards)), dtype=cold.dtype)
        self.log_joint = np.empty((plan.chains, plan.draws))
        self._density = LogJoint(path.factors)
        self.bridge = Bridge(np.zeros(levels - 1), 1, plan.chains)
        self.acceptance = np.zeros(levels - 1)
        self.done = self.updates = 0
        self.interrupted = False

    def warm_up(self) -> None:
        """Place the levels, then let them settle and find the bridge's constants."""
        lengths = [int(share * self.plan.warmup) for share in _ROUNDS]
        for length in lengths:
            if length:
                self.replicas.place(self._respaced(self._refusals(length)))
        last = [self._one_of_warm_up() for _ in range(self.plan.warmup - sum(lengths))]
        # The first half only settles.
        kept = last[len(last) // 2 :]
        constants = np.zeros(len(self.replicas.positions) - 1)
        if kept:
            up, down = np.array([i.up for i in kept]), np.array([i.down for i in kept])
            constants = bridge_constants(up, down)
        self._groups = -(-_GROUPS // self.plan.chains)
        self.bridge = Bridge(constants, self._groups, self.plan.chains)
        self.replicas.forget_trips()

    def sample(self) -> None:
        """Fill `draws` and `log_joint`; Ctrl-C keeps the draws that are finished, if any."""
        refused = np.zeros(len(self.replicas.positions) - 1)
        try:
            with WholeSteps() as whole:
                for d in range(self.plan.draws):
                    whole(self._draw, d, refused)
                    self._tell("sampling", self.plan.warmup + self.done)
        except KeyboardInterrupt:
            if not self.done:
                raise
            self.interrupted = True
        self.counts.close()
        self.acceptance = 1 - refused / max(1, self.done)

    def _draw(self, d: int, refused: np.ndarray) -> None:
        """One iteration, whose states are draw number d; rejection rates are added up."""
        seen = self._iterate()
        refused += 1 - seen.acceptance.mean(axis=1)
        self.bridge.add(d * self._groups // self.plan.draws, seen.up, seen.down)
        self._keep(d)

    def _keep(self, d: int) -> None:
        """Store and count the network's states as draw number d."""
        states = self.replicas.states[-1]
        self.draws[:, d] = states.T
        self.log_joint[:, d] = self._density(states)
        self._counter.add(states, self.counts.counts)
        self.counts.open_sweeps += 1
        self.done += 1
        batches, draws = self._batches, self.plan.draws
        if self.done * batches // draws > d * batches // draws:
            self.counts.close()

    def _refusals(self, iterations: int) -> np.ndarray:
        """Mean rejection rates between neighbours over some iterations of the warm-up."""
        seen = (self._one_of_warm_up() for _ in range(iterations))
        return sum(1 - one.acceptance.mean(axis=1) for one in seen) / iterations

    def _iterate(self) -> Iteration:
        seen = self.replicas.iterate(self.method.sweeps)
        self.updates += self.replicas.states.size * self.method.sweeps
        return seen

    def _one_of_warm_up(self) -> Iteration:
        seen = self._iterate()
        self._tell("warm-up", self.replicas.iterations)
        return seen

    def _tell(self, what: str, done: int) -> None:
        if self.plan.progress:
            self.plan.progress(done, self.plan.warmup + self.plan.draws, what)

    def _respaced(self, rejections: np.ndarray) -> np.ndarray:
        method = self.method
        levels = method.levels or levels_for(
            float(rejections.sum()), method.target_swap, method.most_levels
        )
        return respaced(self.replicas.positions, rejections, levels)
