"""A Gibbs run in slices short enough that progress shows and Ctrl-C is heard."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from probgen.inference.graphical.method import GraphPlan, GraphResult
from probgen.inference.graphical.sweeps.log_joint import LogJoint
from probgen.inference.graphical.sweeps.protocol import Sweeps
from probgen.inference.graphical.sweeps.streaming import StateCounts
from probgen.inference.graphical.whole_steps import WholeSteps
from probgen.targets.factors import Factors

__all__ = ["GibbsRun"]

SLICE_SECONDS = 0.1


class GibbsRun:
    """Warm-up and draws of one run; `every` sweeps for each draw kept."""

    def __init__(self, factors: Factors, plan: GraphPlan, sweeps: Sweeps, key: int, every: int):
        self._factors, self._plan, self._sweeps = factors, plan, sweeps
        self._key, self._every = key, every
        self._done = 0
        self._slice = 1
        self._interrupted = False
        self._whole = WholeSteps()

    def draw(self, states: np.ndarray, thin: int) -> GraphResult:
        """Run from `states` (variable, chain); `plan.draws * thin` sweeps follow the warm-up.

        Raises KeyboardInterrupt when it came before the first draw.
        """
        with self._whole:
            return self._draw(states, thin)

    def _draw(self, states: np.ndarray, thin: int) -> GraphResult:
        plan, cards = self._plan, self._factors.cards
        kept = plan.draws * thin // self._every
        self._total = plan.warmup + kept * self._every
        draws = np.empty((kept, len(cards), plan.chains), dtype=states.dtype)
        counts = StateCounts(cards, plan.chains)
        drawn = 0
        seconds = [time.perf_counter()] * 3
        self._advance(states, plan.warmup)
        seconds[1] = time.perf_counter()
        edges = np.linspace(0, kept, StateCounts.batches(plan.chains, kept) + 1).astype(int)
        for end in map(int, edges[1:]):
            while drawn < end and not self._interrupted:
                drawn += self._record(states, draws, drawn, end, counts)
            counts.close()
        seconds[2] = time.perf_counter()
        if self._interrupted and not drawn:
            raise KeyboardInterrupt
        return self._result(draws[:drawn], counts, seconds)

    def _advance(self, states: np.ndarray, sweeps: int) -> None:
        left = sweeps
        while left and not self._interrupted:
            now = min(left, self._slice)
            self._timed("warm-up", now, states)
            left -= now

    def _record(
        self, states: np.ndarray, draws: np.ndarray, first: int, end: int, counts: StateCounts
    ) -> int:
        """Make some draws, at most up to `end`; return how many."""
        now = min(end - first, max(1, self._slice // self._every))
        self._timed(
            "sampling", now * self._every, states,
            counts=counts.counts, draws=draws[first : first + now],
        )  # fmt: skip
        counts.open_sweeps += now * self._every
        return now

    def _timed(self, phase: str, sweeps: int, states: np.ndarray, **outputs: Any) -> None:
        """Make sweeps, and learn from them how many fit into a slice."""
        started = time.perf_counter()
        try:
            self._whole(
                self._sweeps.sweep, states, self._key, self._done, sweeps,
                threads=self._plan.threads, thin=self._every, **outputs,
            )  # fmt: skip
        except KeyboardInterrupt:
            self._interrupted = True
        seconds = time.perf_counter() - started
        self._done += sweeps
        if seconds < SLICE_SECONDS / 2:
            self._slice = max(self._slice, 2 * sweeps)
        elif seconds > 2 * SLICE_SECONDS:
            self._slice = max(1, self._slice // 2)
        if self._plan.progress:
            try:
                self._plan.progress(self._done, self._total, phase)
            except KeyboardInterrupt:
                self._interrupted = True

    def _result(self, draws: np.ndarray, counts: StateCounts, seconds: list[float]) -> GraphResult:
        log_joint = LogJoint(self._factors)(draws)
        return GraphResult(
            marginals=counts.marginals(),
            states=draws.transpose(2, 0, 1),
            stats={"log_joint": np.ascontiguousarray(log_joint.T)},
            summary={
                "seconds_warmup": seconds[1] - seconds[0],
                "seconds_sampling": seconds[2] - seconds[1],
                "sweeps": self._done,
                "variable_updates": self._sweeps.update_count,
                "interrupted": self._interrupted,
            },
        )
