"""Machines that learn one after the other, each for its share of the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from probgen.learn.training.loop import Loop

__all__ = ["stage_at"]


def stage_at(shares: Sequence[float], loop: Loop, clock: int) -> int:
    """Which machine learns at a step: shares are of the epochs, rounded to whole ones."""
    epochs = max(1, loop.total // loop.steps_per_epoch)
    ends = [round(end / sum(shares) * epochs) for end in accumulate(shares)]
    return min(sum(clock >= end * loop.steps_per_epoch for end in ends), len(shares) - 1)
