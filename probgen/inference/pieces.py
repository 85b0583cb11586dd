"""How a run is cut into stretches, and where its chains write.

Without `Plan.keep` a run is one stretch. With it, a stretch takes about a second and its arrays
are used again, so that memory does not grow with the number of draws; none straddles the end of
the warm-up. The draws do not depend on where a run is cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from probgen.inference.adapt.settings import STATISTICS, Output
from probgen.inference.method import Plan

__all__ = ["Stretch", "Stretches", "columns_of", "draws_before"]

SECONDS = 1.0
"""Of work in a stretch, if its arrays are not larger than `BYTES`."""
BYTES = 16_000_000
ROWS = 8192
"""Most draws in a stretch: of few coordinates they are still in the cache when they are stored."""
FIRST = 4
"""Transitions of the first stretch, when the speed is not known."""
GROWTH = 16
"""Most times that a stretch is longer than the one before, which may have been easier."""


@dataclass
class Stretch:
    """Transitions that every chain makes in one go, and the rows it writes its draws to."""

    number: int
    """Stretches before."""
    first: int
    """Transitions before, warm-up included."""
    count: int
    draws: np.ndarray
    """(chain, row, dim); and its statistics, one column each."""
    stats: np.ndarray
    warmup_draws: np.ndarray | None
    """The same of the warm-up; None where nothing of it is kept."""
    warmup_stats: np.ndarray | None
    left: int
    """Chains that have not made it yet."""
    fields: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    """States of the chains at its end; empty without `Plan.keep`."""

    @property
    def end(self) -> int:
        """Transitions that are made with it."""
        return self.first + self.count

    @property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Draws and statistics of a stretch that is all warm-up, or all draws."""
        if self.warmup_draws is None or self.warmup_stats is None:
            return self.draws, self.stats
        return self.warmup_draws, self.warmup_stats

    def output(self, chain: int) -> Output:
        """Addresses of one chain's rows, for native code."""

        def address(array: np.ndarray | None) -> int | None:
            return None if array is None or array.size == 0 else array[chain].ctypes.data

        return Output(
            draws=address(self.draws),
            stats=address(self.stats),
            warmup_draws=address(self.warmup_draws),
            warmup_stats=address(self.warmup_stats),
        )


class Stretches:
    """The stretches of a run, one after another."""

    def __init__(self, plan: Plan, dim: int, columns: int = len(STATISTICS)):
        """Begin at the start, or after the transitions that `plan.state` has behind it.

        `dim` coordinates and so many `columns` of statistics make a row.
        """
        self.plan, self.dim, self.columns = plan, dim, columns
        self.total = plan.warmup + plan.draws * plan.thin
        self.done = self.begun = plan.state.iteration if plan.state else 0
        self._number = self._latest = 0
        self._seconds = 0.0
        row_bytes = 8 * plan.chains * (dim + columns)
        self._most = max(1, min(BYTES // row_bytes, ROWS))
        self._spare: list[tuple[np.ndarray, np.ndarray]] = []

    def following(self) -> Stretch | None:
        """The next stretch; None when the run is complete.

        A run that has nothing left to do gets one of no transitions.
        """
        if self.done >= self.total and self._number > 0:
            return None
        count = self.total - self.done if self.plan.keep is None else self._length()
        stretch = self._whole(count) if self.plan.keep is None else self._piece(count)
        self._number += 1
        self._latest = count
        self.done += count
        return stretch

    def note(self, seconds: float, count: int) -> None:
        """Learn from one chain, which took `seconds` for `count` transitions."""
        if count > 0:
            self._seconds = seconds / count

    def give_back(self, stretch: Stretch) -> None:
        """Use the arrays of a stretch again."""
        if stretch.draws.base is not None and stretch.stats.base is not None:
            self._spare.append((stretch.draws.base, stretch.stats.base))

    @property
    def rounds(self) -> int:
        """Chains that one thread has to serve."""
        return -(-self.plan.chains // min(self.plan.threads, self.plan.chains))

    def _length(self) -> int:
        plan, warm = self.plan, self.done < self.plan.warmup
        left = (plan.warmup if warm else self.total) - self.done
        wanted = FIRST if self._number == 0 else GROWTH * self._latest
        if self._seconds > 0:
            wanted = min(wanted, int(SECONDS / (self.rounds * self._seconds)))
        if warm:
            return max(1, min(wanted, left, self._most if plan.keep_warmup else left))
        rest = (self.done - plan.warmup) % plan.thin  # whole draws: their last transitions
        draws = max(1, min((wanted + rest) // plan.thin, self._most))
        return min(draws * plan.thin - rest, left)

    def _whole(self, count: int) -> Stretch:
        plan, warm = self.plan, max(0, self.plan.warmup - self.done)
        shape = (plan.chains, plan.draws - draws_before(plan, self.done))
        kept = plan.keep_warmup
        return Stretch(
            self._number, self.done, count,
            np.empty((*shape, self.dim)), np.empty((*shape, self.columns)),
            np.empty((plan.chains, warm, self.dim)) if kept else None,
            np.empty((plan.chains, warm, self.columns)) if kept else None,
            plan.chains,
        )  # fmt: skip

    def _piece(self, count: int) -> Stretch:
        plan, end = self.plan, self.done + count
        if self.done >= plan.warmup:
            rows = draws_before(plan, end) - draws_before(plan, self.done)
        else:
            rows = count if plan.keep_warmup else 0
        draws, stats = self._arrays(rows)
        if self.done >= plan.warmup:
            return Stretch(self._number, self.done, count, draws, stats, None, None, plan.chains)
        return Stretch(
            self._number, self.done, count, draws[:, :0], stats[:, :0], draws, stats, plan.chains
        )

    def _arrays(self, rows: int) -> tuple[np.ndarray, np.ndarray]:
        draws, stats = self._spare.pop() if self._spare else (np.empty((0, 0)), np.empty((0, 0)))
        if draws.ndim < 3 or draws.shape[1] < rows:
            draws = np.empty((self.plan.chains, rows, self.dim))
            stats = np.empty((self.plan.chains, rows, self.columns))
        return draws[:, :rows], stats[:, :rows]


def draws_before(plan: Plan, iteration: int) -> int:
    """Draws that are kept of the first `iteration` transitions."""
    return max(0, iteration - plan.warmup) // plan.thin


def columns_of(
    stats: np.ndarray, hidden: tuple[str, ...] = (), kinds: Mapping[str, type] = STATISTICS
) -> dict[str, np.ndarray]:
    """Statistics by name, each of its own type; `stats` is (chain, row, statistic)."""
    return {
        name: stats[..., column].astype(kind)
        for column, (name, kind) in enumerate(kinds.items())
        if name not in hidden
    }
