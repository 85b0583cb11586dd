"""One run of parallel tempering: start, warm-up with moving levels, draws."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from probgen.inference.graphical.blocks.start import starting_states
from probgen.inference.graphical.ladder_bridge import Bridge, bridge_constants
from probgen.inference.graphical.ladder_path import Path
from probgen.inference.graphical.ladder_pilot import Pilot
from probgen.inference.graphical.ladder_positions import levels_for, respaced
from probgen.inference.graphical.method import GraphPlan
from probgen.inference.graphical.parallel_tempering_replicas import Replicas
from probgen.inference.graphical.swendsen_wang_marginals import BatchMeans
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
    """Possible states of the network to start from, (n, C): where the pilot ended, if it did."""
    if first.weights.ess == 0:
        return starting_states(factors, plan.chains, plan.seed)
    chosen = np.linspace(0, first.states.shape[1], plan.chains, endpoint=False).astype(int)
    return np.ascontiguousarray(first.states[:, first.weights.resample(0.5)[chosen]])


class Run:
    """Replicas of `plan.chains` ladders and what is gathered from them."""

    def __init__(
        self, method: Settings, path: Path, first: Pilot, cold: np.ndarray, plan: GraphPlan
    ):
        self.method, self.plan = method, plan
        # Of two normal laws d apart, in standard deviations, swaps are refused at erf(d / 2):
        # half for 0.95, and about 0.56 d for close ones.
        levels = method.levels or levels_for(
            0.56 * first.length, method.target_swap, method.most_levels
        )
        self.replicas = Replicas(
            path, first.positions(levels - 1), cold, plan.seed, plan.threads
        )
        self.means = BatchMeans(path.factors.cards, plan.chains, plan.draws)
        self.raw = np.empty((plan.draws, *cold.shape), dtype=np.uint8)
        self.bridge = Bridge(np.zeros(levels - 1), 1, plan.chains)
        self.acceptance = np.zeros(levels - 1)
        self.done = self.updates = 0
        self.interrupted = False

    def warm_up(self) -> None:
        """Place the levels, then let them settle and find the bridge's constants."""
        lengths = [int(share * self.plan.warmup) for share in _ROUNDS]
        for length in lengths:
            if length:
                self.replicas.place(self._respaced(self._iterate(length)[2]))
        up, down, _ = self._iterate(self.plan.warmup - sum(lengths), keep=True)
        levels = len(self.replicas.positions)
        constants = bridge_constants(up, down) if len(up) else np.zeros(levels - 1)
        self._groups = -(-_GROUPS // self.plan.chains)
        self.bridge = Bridge(constants, self._groups, self.plan.chains)
        self.replicas.forget_trips()

    def sample(self) -> None:
        """Fill `raw`; Ctrl-C keeps the draws that are finished, if any."""
        refused = np.zeros(len(self.replicas.positions) - 1)
        try:
            for d in range(self.plan.draws):
                seen = self._one("sampling", self.plan.warmup + d)
                refused += 1 - seen.acceptance.mean(axis=1)
                self.bridge.add(d * self._groups // self.plan.draws, seen.up, seen.down)
                self.raw[d] = self.replicas.states[-1]
                self.done += 1
                if self.done % self.means.length == 0:
                    self._count(self.done - self.means.length)
        except KeyboardInterrupt:
            if not self.done:
                raise
            self.interrupted = True
        rest = self.done % self.means.length
        if rest:
            self._count(self.done - rest)
        self.acceptance = 1 - refused / max(1, self.done)

    def _count(self, begin: int) -> None:
        """Add the draws from `begin` on to the marginals."""
        window = self.raw[begin : self.done]
        cards = self.replicas.path.factors.cards
        sums = np.empty((self.plan.chains, int(cards.sum())))
        offsets = self.replicas.path.offsets[:-1]
        for state in range(int(max(cards, default=0))):
            has = np.flatnonzero(cards > state)
            sums[:, offsets[has] + state] = (window[:, has] == state).sum(axis=0).T
        self.means.add(sums, len(window))

    def _iterate(self, count: int, keep: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Warm-up iterations: log weights if they are kept, and mean rejection rates."""
        up, down = [], []
        refused = np.zeros(len(self.replicas.positions) - 1)
        for _ in range(count):
            seen = self._one("warm-up", self.replicas.iterations)
            refused += 1 - seen.acceptance.mean(axis=1)
            if keep:
                up.append(seen.up)
                down.append(seen.down)
        return np.array(up), np.array(down), refused / max(1, count)

    def _one(self, what: str, done: int):
        seen = self.replicas.iterate(self.method.sweeps)
        self.updates += sum(states.size for states in self.replicas.states) * self.method.sweeps
        if self.plan.progress:
            self.plan.progress(done + 1, self.plan.warmup + self.plan.draws, what)
        return seen

    def _respaced(self, rejections: np.ndarray) -> np.ndarray:
        method = self.method
        levels = method.levels or levels_for(
            float(rejections.sum()), method.target_swap, method.most_levels
        )
        return respaced(self.replicas.positions, rejections, levels)
