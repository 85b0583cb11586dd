"""A Gibbs run in slices short enough that progress shows and Ctrl-C is heard."""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np

from probgen.inference.graphical.method import GraphPlan, GraphResult
from probgen.inference.graphical.sweeps.engine import Sweeps
from probgen.inference.graphical.sweeps.log_joint import LogJoint
from probgen.inference.graphical.sweeps.streaming import StateCounts
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

    def draw(self, states: np.ndarray, thin: int) -> GraphResult:
        """Run from `states` (variable, chain); `plan.draws * thin` sweeps follow the warm-up.

        Raises KeyboardInterrupt again when it came before the first draw.
        """
        plan, cards = self._plan, self._factors.cards
        kept = plan.draws * thin // self._every
        self._total = plan.warmup + kept * self._every
        draws = np.empty((kept, len(cards), plan.chains), dtype=states.dtype)
        counts = StateCounts(cards, plan.chains)
        drawn, interrupted = 0, False
        seconds = [time.perf_counter()] * 3
        try:
            self._advance(states, plan.warmup, "warm-up")
            seconds[1] = time.perf_counter()
            edges = np.linspace(0, kept, StateCounts.batches(plan.chains, kept) + 1).astype(int)
            for begin, end in pairwise(edges):
                drawn = int(begin)
                while drawn < end:
                    drawn += self._record(states, draws, drawn, int(end), counts)
                counts.close()
        except KeyboardInterrupt:
            if not drawn:
                raise
            interrupted = True
            counts.close()
        seconds[2] = time.perf_counter()
        return self._result(draws[:drawn], counts, seconds, interrupted)

    def _advance(self, states: np.ndarray, sweeps: int, phase: str) -> None:
        left = sweeps
        while left:
            now = min(left, self._slice)
            self._timed(states, now, phase)
            left -= now

    def _record(
        self, states: np.ndarray, draws: np.ndarray, first: int, end: int, counts: StateCounts
    ) -> int:
        """Make some draws, at most up to `end`; return how many."""
        now = min(end - first, max(1, self._slice // self._every))
        with counts.counting(now * self._every) as tally:
            self._timed(states, now * self._every, "sampling", tally, draws[first : first + now])
        return now

    def _timed(
        self,
        states: np.ndarray,
        sweeps: int,
        phase: str,
        counts: np.ndarray | None = None,
        draws: np.ndarray | None = None,
    ) -> None:
        """Make sweeps, and learn from them how many fit into a slice."""
        started = time.perf_counter()
        self._sweeps.sweep(
            states, self._key, self._done, sweeps, threads=self._plan.threads,
            counts=counts, draws=draws, thin=self._every,
        )  # fmt: skip
        seconds = time.perf_counter() - started
        self._done += sweeps
        if seconds < SLICE_SECONDS / 2:
            self._slice = max(self._slice, 2 * sweeps)
        elif seconds > 2 * SLICE_SECONDS:
            self._slice = max(1, self._slice // 2)
        if self._plan.progress:
            self._plan.progress(self._done, self._total, phase)

    def _result(
        self, draws: np.ndarray, counts: StateCounts, seconds: list[float], interrupted: bool
    ) -> GraphResult:
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
                "interrupted": interrupted,
            },
        )
