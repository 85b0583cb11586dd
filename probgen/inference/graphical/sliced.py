"""A run of an engine in slices short enough that progress shows and Ctrl-C is heard.

What draws and how it is written down is the engine's; here are its phases, the length of slices,
the pieces that leave while it works, and the state from which it goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from probgen.inference.graphical.method import GraphPlan, GraphResult, Marginals
from probgen.inference.graphical.pieces import Pieces, counter_words, each_chain
from probgen.inference.graphical.sweeps.streaming import StateCounts
from probgen.inference.graphical.whole_steps import WholeSteps
from probgen.results.store.state import KernelState

__all__ = ["SlicedRun", "Snapshot"]

SLICE_SECONDS = 0.1
_PHASES = ("warm-up", "sampling")


class Counts(Protocol):
    """How often states came up, in batches of draws."""

    def close(self) -> None: ...
    def arrays(self) -> dict[str, np.ndarray]: ...
    def restore(self, arrays: Mapping[str, np.ndarray], ends: Sequence[int]) -> None: ...
    def marginals(self) -> Marginals: ...


@dataclass(frozen=True)
class Snapshot:
    """What an engine puts into a `KernelState`, beside its counts.

    position: (chain, column); seed, place: of its random numbers; arrays: what else it needs.
    """

    position: np.ndarray
    seed: int
    place: int
    arrays: dict[str, np.ndarray]


class SlicedRun:
    """Warm-up and draws of one run, one draw kept in `every` transitions.

    An engine has `_warm_up`, `_draw`, `_held`, `_held_stats`, `_snapshot` and `_put_back`, counts
    transitions in `_done` as it makes them, and calls `_open` before any.
    """

    def __init__(self, plan: GraphPlan, counts: Counts, every: int, kept: int) -> None:
        self._plan, self._counts, self._every, self._kept = plan, counts, every, kept
        self._total = plan.warmup + kept * every
        self._done = self._updates_before = 0
        self._seconds = dict.fromkeys(_PHASES, 0.0)
        batches = StateCounts.batches(plan.chains, kept)
        self._edges = np.linspace(0, kept, batches + 1).astype(int)[1:]
        self._slice = 1
        self._interrupted = False

    def _warm_up(self, count: int) -> None:
        """Make so many transitions."""
        raise NotImplementedError

    def _draw(self, count: int) -> None:
        """Make so many draws, write them down from `_pieces.filled` on, and count all states."""
        raise NotImplementedError

    @property
    def _held(self) -> np.ndarray:
        """The draws that were not handed over, (chain, draw, column)."""
        raise NotImplementedError

    def _held_stats(self) -> dict[str, np.ndarray]:
        """Of these draws, (chain, draw, ...)."""
        raise NotImplementedError

    def _made(self) -> int:
        """Updates of variables, of all chains, since the run was opened."""
        raise NotImplementedError

    def _snapshot(self) -> Snapshot:
        """Where the chains are."""
        raise NotImplementedError

    def _put_back(self, state: KernelState) -> None:
        """Go on from where they were; raises `OptionError` for a state of another run."""
        raise NotImplementedError

    def _told(self) -> dict[str, Any]:
        """What else the summary says."""
        return {}

    @contextmanager
    def _surroundings(self) -> Iterator[None]:
        """What the engine works in."""
        yield

    def _open(self, draw_bytes: int) -> None:
        """Go on from the plan's state if it has one, and make room for draws of such a size."""
        state = self._plan.state
        if state is not None:
            self._put_back(state)
            self._done = state.iteration
            self._counts.restore(state.adaptation, (self._edges * self._every).tolist())
            self._updates_before = int(state.counters["variable_updates"][0]) * self._plan.chains
            for phase, name in zip(_PHASES, ("seconds_warmup", "seconds_sampling"), strict=True):
                self._seconds[phase] = float(state.counters[name][0])
        self._pieces = Pieces(self._plan.keep, self._drawn, self._kept, draw_bytes)
        self._pieces.goes_on_from(-1 if state is None else self._done)
        self._whole = WholeSteps()

    @property
    def _drawn(self) -> int:
        """Draws made so far, those before a break included."""
        return max(0, self._done - self._plan.warmup) // self._every

    def work(self) -> GraphResult:
        """Make the transitions of the plan.

        Raises KeyboardInterrupt when it came before the first draw.
        """
        with self._whole, self._surroundings():
            while self._done < self._plan.warmup and not self._interrupted:
                left = self._plan.warmup - self._done
                self._timed("warm-up", self._warm_up, min(left, self._slice))
                if self._pieces.due():
                    self._hand_over()
            if not self._drawn:
                self._hand_over()
            for end in map(int, self._edges):
                while self._drawn < end and not self._interrupted:
                    room = min(end - self._drawn, self._pieces.free)
                    most = max(1, self._slice // self._every)
                    self._timed("sampling", self._draw, min(room, most))
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

    def _timed(self, phase: str, step: Callable[[int], None], count: int) -> None:
        """Make warm-up transitions or draws, and learn how many transitions fit into a slice."""
        started, before = time.perf_counter(), self._done
        try:
            self._whole(step, count)
        except KeyboardInterrupt:
            self._interrupted = True
        seconds = time.perf_counter() - started
        self._seconds[phase] += seconds
        if seconds < SLICE_SECONDS / 2:
            self._slice = max(self._slice, 2 * (self._done - before))
        elif seconds > 2 * SLICE_SECONDS:
            self._slice = max(1, self._slice // 2)
        if self._plan.progress:
            try:
                self._plan.progress(self._done, self._total, phase)
            except KeyboardInterrupt:
                self._interrupted = True

    def _hand_over(self) -> None:
        warm = None if self._done > self._plan.warmup else self._done
        try:
            self._pieces.hand_over(self._state, self._held, self._held_stats, warm)
        except KeyboardInterrupt:
            self._interrupted = True

    @property
    def _updates(self) -> int:
        return self._updates_before + self._made()

    def _state(self) -> KernelState:
        chains, now = self._plan.chains, self._snapshot()
        return KernelState(
            iteration=self._done,
            position=now.position,
            rng=counter_words(now.seed, now.place, chains),
            adaptation={**self._counts.arrays(), **now.arrays},
            counters={
                "variable_updates": each_chain(np.int64(self._updates // chains), chains),
                "seconds_warmup": each_chain(self._seconds["warm-up"], chains),
                "seconds_sampling": each_chain(self._seconds["sampling"], chains),
            },
        )

    def _result(self) -> GraphResult:
        kept = self._plan.keep is not None
        return GraphResult(
            marginals=self._counts.marginals(),
            states=None if kept else self._held,
            stats={} if kept else self._held_stats(),
            summary={
                **self._told(),
                "seconds_warmup": self._seconds["warm-up"],
                "seconds_sampling": self._seconds["sampling"],
                "sweeps": self._done,
                "variable_updates": self._updates,
                "interrupted": self._interrupted,
            },
        )
