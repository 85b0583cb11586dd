"""A Gibbs run in slices short enough that progress shows and Ctrl-C is heard."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from probgen.inference.graphical.method import GraphPlan, GraphResult
from probgen.inference.graphical.pieces import Pieces, check_chains, counter_words, each_chain
from probgen.inference.graphical.sweeps.log_joint import LogJoint
from probgen.inference.graphical.sweeps.protocol import Sweeps
from probgen.inference.graphical.sweeps.streaming import StateCounts
from probgen.inference.graphical.whole_steps import WholeSteps
from probgen.results.store.state import KernelState
from probgen.targets.factors import Factors

__all__ = ["GibbsRun"]

SLICE_SECONDS = 0.1


class GibbsRun:
    """Warm-up and draws of one run; `every` sweeps for each draw kept.

    `states` (variable, chain) are those to start from; where the plan has a state, they are
    replaced by its states.
    """

    def __init__(
        self,
        factors: Factors,
        plan: GraphPlan,
        sweeps: Sweeps,
        key: int,
        every: int,
        thin: int,
        states: np.ndarray,
    ):
        self._plan, self._sweeps, self._states = plan, sweeps, states
        self._key, self._every = key, every
        self._kept = plan.draws * thin // every
        self._total = plan.warmup + self._kept * every
        self._done = self._updates_before = 0
        self._seconds = {"warm-up": 0.0, "sampling": 0.0}
        self._counts = StateCounts(factors.cards, plan.chains)
        batches = StateCounts.batches(plan.chains, self._kept)
        self._edges = np.linspace(0, self._kept, batches + 1).astype(int)[1:]
        if plan.state is not None:
            self._restore(plan.state)
        self._pieces = Pieces(plan.keep, self._drawn, self._kept, states.nbytes)
        self._pieces.goes_on_from(self._done if plan.state is not None else -1)
        self._draws = np.empty((self._pieces.room, *states.shape), dtype=states.dtype)
        self._log_joint = LogJoint(factors)
        self._slice = 1
        self._interrupted = False
        self._whole = WholeSteps()

    @property
    def _drawn(self) -> int:
        """Draws made so far, those before a break included."""
        return max(0, self._done - self._plan.warmup) // self._every

    def draw(self) -> GraphResult:
        """Make the sweeps of the plan.

        Raises KeyboardInterrupt when it came before the first draw.
        """
        with self._whole:
            self._advance()
            for end in map(int, self._edges):
                while self._drawn < end and not self._interrupted:
                    self._record(end)
                    if self._drawn == end:
                        self._counts.close()
                    if self._pieces.due():
                        self._hand_over()
            self._hand_over()
        # What an interrupt left open is no batch of the run that goes on, but counts here.
        self._counts.close()
        if self._interrupted and not self._drawn:
            raise KeyboardInterrupt
        return self._result()

    def _advance(self) -> None:
        while self._done < self._plan.warmup and not self._interrupted:
            self._timed("warm-up", min(self._plan.warmup - self._done, self._slice))
            if self._pieces.due():
                self._hand_over()
        if not self._drawn:
            self._hand_over()

    def _record(self, end: int) -> None:
        """Make some draws, at most up to number `end`."""
        room = min(end - self._drawn, self._pieces.free)
        now = min(room, max(1, self._slice // self._every))
        first = self._pieces.filled
        # The states count at every sweep, kept or not.
        self._timed(
            "sampling", now * self._every,
            counts=self._counts.counts, draws=self._draws[first : first + now],
        )  # fmt: skip
        self._counts.open_sweeps += now * self._every
        self._pieces.filled += now

    def _timed(self, phase: str, sweeps: int, **outputs: Any) -> None:
        """Make sweeps, and learn from them how many fit into a slice."""
        started = time.perf_counter()
        try:
            self._whole(
                self._sweeps.sweep, self._states, self._key, self._done, sweeps,
                threads=self._plan.threads, thin=self._every, **outputs,
            )  # fmt: skip
        except KeyboardInterrupt:
            self._interrupted = True
        seconds = time.perf_counter() - started
        self._seconds[phase] += seconds
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

    @property
    def _held(self) -> np.ndarray:
        """The draws that were not handed over, (draw, variable, chain)."""
        return self._draws[: self._pieces.filled]

    def _stats(self) -> dict[str, np.ndarray]:
        return {"log_joint": np.ascontiguousarray(self._log_joint(self._held).T)}

    def _hand_over(self) -> None:
        warm = None if self._done > self._plan.warmup else self._done
        try:
            self._pieces.hand_over(self._state, self._held.transpose(2, 0, 1), self._stats, warm)
        except KeyboardInterrupt:
            self._interrupted = True

    @property
    def _updates(self) -> int:
        return self._updates_before + self._sweeps.update_count

    def _state(self) -> KernelState:
        chains = self._plan.chains
        return KernelState(
            iteration=self._done,
            position=self._states.T,
            rng=counter_words(self._key, self._done, chains),
            adaptation=self._counts.arrays(),
            counters={
                "variable_updates": each_chain(np.int64(self._updates // chains), chains),
                "seconds_warmup": each_chain(self._seconds["warm-up"], chains),
                "seconds_sampling": each_chain(self._seconds["sampling"], chains),
            },
        )

    def _restore(self, state: KernelState) -> None:
        check_chains(state, self._plan.chains, len(self._states), self._key)
        self._done = state.iteration
        self._states[:] = state.position.T
        self._counts.restore(state.adaptation, (self._edges * self._every).tolist())
        counters = state.counters
        self._updates_before = int(counters["variable_updates"][0]) * self._plan.chains
        self._seconds = {
            "warm-up": float(counters["seconds_warmup"][0]),
            "sampling": float(counters["seconds_sampling"][0]),
        }

    def _result(self) -> GraphResult:
        kept = self._plan.keep is not None
        return GraphResult(
            marginals=self._counts.marginals(),
            states=None if kept else self._held.transpose(2, 0, 1),
            stats={} if kept else self._stats(),
            summary={
                "seconds_warmup": self._seconds["warm-up"],
                "seconds_sampling": self._seconds["sampling"],
                "sweeps": self._done,
                "variable_updates": self._updates,
                "interrupted": self._interrupted,
            },
        )
