"""Early stopping: the best epoch so far, and whether patience is at an end.

Source: Prechelt (1998), "Early stopping - but when?".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from probgen.errors import OptionError

__all__ = ["Stopping"]


@dataclass(eq=False)
class Stopping:
    """The weights of the epoch with the best metric, and how long ago it was.

    Args:
        patience: epochs without improvement after which training stops.
        criterion: the metric, lower being better; with "-" before its name, higher.

    """

    patience: int
    criterion: str | None = None
    best: float = math.inf
    best_epoch: int = 0
    weights: dict[str, dict[str, Tensor]] | None = None

    def better(self, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Whether the epoch (from 1) is the best so far. Raises `OptionError` without metric."""
        if self.criterion is None:
            self.criterion = "loss" if "loss" in metrics else next(iter(metrics), "")
        name = self.criterion.removeprefix("-")
        if name not in metrics:
            known = ", ".join(metrics) or "none"
            raise OptionError(
                f"patience={self.patience}: there is no metric {name!r} to watch; there are: "
                f"{known}. Give validation data, or leave patience out."
            )
        value = -metrics[name] if self.criterion.startswith("-") else metrics[name]
        if value < self.best:
            self.best, self.best_epoch = value, epoch
            return True
        return False

    def over(self, epoch: int) -> bool:
        """Whether the best epoch is too long ago."""
        return epoch - self.best_epoch >= self.patience

    def state(self) -> dict[str, Any]:
        """For the checkpoint."""
        names = ("criterion", "best", "best_epoch", "weights")
        return {name: getattr(self, name) for name in names}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        for name, value in state.items():
            setattr(self, name, value)
