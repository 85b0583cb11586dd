"""Machines that learn one after the other, each for its share of the epochs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING

from torch import Tensor

from probgen.errors import OptionError
from probgen.learn.boltzmann.learner import BoltzmannLearner
from probgen.learn.boltzmann.methods import CD, Settings
from probgen.learn.training.protocol import Player
from probgen.nets.boltzmann.machine import BoltzmannMachine

if TYPE_CHECKING:
    from probgen.learn.training.loop import Loop

__all__ = ["InStages", "StagedLearner", "stage_at"]


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


class StagedLearner:
    """A player for each restricted machine; only one learns at a time."""

    units = BoltzmannLearner.units
    monitors = BoltzmannLearner.monitors

    def __init__(
        self,
        machines: Iterable[BoltzmannMachine],
        settings: Settings,
        shares: Sequence[float],
        batch_size: int,
    ) -> None:
        self.inner = [BoltzmannLearner(machine, settings, batch_size) for machine in machines]
        self.players: dict[str, Player] = {
            f"layer{number + 1}": learner.players["machine"]
            for number, learner in enumerate(self.inner)
        }
        self.rows = max(learner.rows for learner in self.inner)
        self.shares = shares

    def state(self) -> dict[str, Tensor]:
        """Of every machine's learner."""
        return {
            f"{number}.{name}": value
            for number, learner in enumerate(self.inner)
            for name, value in learner.state().items()
        }

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state` gave."""
        for number, learner in enumerate(self.inner):
            start = f"{number}."
            own = {n.removeprefix(start): v for n, v in state.items() if n.startswith(start)}
            learner.load_state(own)


def stage_at(shares: Sequence[float], loop: Loop, clock: int) -> int:
    """Which machine learns at a step: shares are of the epochs, rounded to whole ones."""
    epochs = max(1, loop.total // loop.steps_per_epoch)
    ends = [round(end / sum(shares) * epochs) for end in accumulate(shares)]
    return min(sum(clock >= end * loop.steps_per_epoch for end in ends), len(shares) - 1)
