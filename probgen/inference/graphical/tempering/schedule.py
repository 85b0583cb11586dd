"""Where the levels of parallel tempering begin, and when its warm-up moves them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

import numpy as np

from probgen.inference.graphical.tempering.pilot import Pilot
from probgen.inference.graphical.tempering.positions import levels_for

__all__ = ["Schedule", "first_positions"]

_ROUNDS = (0.125, 0.125, 0.25)
"""Shares of the warm-up after which the levels are placed anew; the rest only settles."""


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


def first_positions(method: Settings, first: Pilot) -> np.ndarray:
    """Where the levels begin, as many as the pilot's path seems to need."""
    # Of two normal laws d apart, in standard deviations, swaps are refused at erf(d / 2):
    # half for 0.95, and about 0.56 d for close ones.
    levels = method.levels or levels_for(
        0.56 * first.length, method.target_swap, method.most_levels
    )
    return first.positions(levels - 1)


@dataclass(frozen=True)
class Schedule:
    """What happens when in the warm-up, by the number of iterations made.

    `rounds`: after so many, levels are placed anew by what a round of such length saw; after
    `placed`, no more; from `settled` on, log weights are gathered for the bridge.
    """

    rounds: dict[int, int]
    placed: int
    settled: int

    @staticmethod
    def of(warmup: int) -> Schedule:
        """Of a warm-up of so many iterations."""
        lengths = [int(share * warmup) for share in _ROUNDS]
        ends = list(accumulate(lengths))
        rounds = {end: length for end, length in zip(ends, lengths, strict=True) if length}
        # The first half of what is left only settles.
        return Schedule(rounds, ends[-1], ends[-1] + (warmup - ends[-1]) // 2)
