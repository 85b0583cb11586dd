"""Machines that learn one after the other, each for its share of the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

from probgen.errors import OptionError
from probgen.learn.boltzmann.methods import CD, Settings

if TYPE_CHECKING:
    from probgen.learn.training.loop import Loop

__all__ = ["InStages", "stage_at"]


@dataclass(frozen=True)
class InStages:
    """What methods have in common that learn a restricted machine after the other.

    Args:
        machine: how each restricted machine learns: `CD(...)` or `PCD(...)`.
        shares: of the epochs, one for each machine; evenly when None. With 0 a machine stays
            as it is.

    """

    machine: Settings = field(default_factory=CD)
    shares: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Validate."""
        name = type(self).__name__
        if not isinstance(self.machine, Settings) or self.machine.target is not None:
            raise OptionError(
                f"{name}(machine={self.machine!r}): it must be a way to learn a machine of all "
                "its visible units, such as CD(k=1) or PCD()."
            )
        if self.shares is not None and (min(self.shares) < 0 or not sum(self.shares) > 0):
            raise OptionError(
                f"{name}(shares={self.shares!r}): they must be at least 0, and not all 0."
            )


def stage_at(shares: Sequence[float], loop: Loop, clock: int) -> int:
    """Which machine learns at a step: shares are of the epochs, rounded to whole ones."""
    epochs = max(1, loop.total // loop.steps_per_epoch)
    ends = [round(end / sum(shares) * epochs) for end in accumulate(shares)]
    return min(sum(clock >= end * loop.steps_per_epoch for end in ends), len(shares) - 1)
