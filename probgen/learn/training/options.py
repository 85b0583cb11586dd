"""What `fit` is asked for beside model, method and data."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from probgen.errors import OptionError
from probgen.learn.training.clipping import Clipping, read_clipping
from probgen.learn.training.watch import Watch, read_watch

__all__ = ["PRECISIONS", "TrainingOptions", "chosen_options"]

PRECISIONS = ("32", "64", "bf16", "bf16-mixed")
"""Of parameters and arithmetic; the mixed one leaves parameters as they are."""
_USUAL = {"epochs": 10, "batch_size": 100}


@dataclass(frozen=True)
class TrainingOptions:
    """How to train; see `fit` for what each option does."""

    epochs: int = 10
    batch_size: int = 100
    seed: int = 0
    device: str = "cpu"
    precision: str | None = None
    """None leaves parameters in the type they have."""
    devices: int = 1
    strategy: str | None = None
    ema: float | None = None
    clip: Clipping | None = None
    patience: int | None = None
    checkpoint_seconds: float = 60.0
    checkpoint_steps: int | None = None
    threads: int | None = None
    """Of torch; None chooses by the size of the work."""
    watch: Watch | None = None

    def __post_init__(self) -> None:
        """Validate; raises `OptionError` naming the option."""
        for name in ("epochs", "batch_size", "devices"):
            _check_count(name, getattr(self, name))
        for name in ("patience", "checkpoint_steps", "threads"):
            if getattr(self, name) is not None:
                _check_count(name, getattr(self, name))
        if self.precision not in (None, *PRECISIONS):
            known = ", ".join(map(repr, PRECISIONS))
            raise OptionError(f"precision={self.precision!r}: must be one of {known}.")
        if self.strategy not in (None, "ddp"):
            raise OptionError(
                f"strategy={self.strategy!r}: processes share the rows, and each has all weights; "
                'that is "ddp", which may be left out.'
            )
        if self.ema is not None and not (_is_number(self.ema) and 0 < self.ema < 1):
            raise OptionError(
                f"ema={self.ema!r}: the decay of the averaged weights, between 0 and 1, as 0.999."
            )
        if not _is_number(self.checkpoint_seconds) or not self.checkpoint_seconds > 0:
            raise OptionError(f"checkpoint_seconds={self.checkpoint_seconds!r}: must be above 0.")


def chosen_options(method: Any, given: Mapping[str, Any], rows: int) -> TrainingOptions:
    """Options of a run: those given (not None), else the method's defaults, else the usual.

    A batch is never longer than the data.
    """
    named = {name: value for name, value in given.items() if value is not None}
    named["clip"] = read_clipping(given.get("clip"))
    known = TrainingOptions.__dataclass_fields__
    defaults = {n: v for n, v in getattr(method, "defaults", {}).items() if n in known}
    chosen = {**_USUAL, **defaults, **named}
    options = TrainingOptions(**{**chosen, "watch": read_watch(chosen.get("watch"))})
    return replace(options, batch_size=min(options.batch_size, rows))


def _check_count(name: str, value: Any) -> None:
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < 1:
        raise OptionError(f"{name}={value!r}: must be an integer of at least 1.")


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
