"""Clipping of gradients before an update."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from probgen.errors import OptionError

__all__ = ["ClipNorm", "ClipValue", "Clipping", "read_clipping"]


@dataclass(frozen=True)
class ClipNorm:
    """Gradients of a player are scaled so that their joint 2-norm is at most `norm`.

    Source: Pascanu, Mikolov & Bengio (2013).
    """

    norm: float

    def __post_init__(self) -> None:
        """Validate."""
        _check_positive("norm", self.norm)

    def __call__(self, parameters: Iterable[nn.Parameter]) -> None:
        """Clip in place."""
        torch.nn.utils.clip_grad_norm_(parameters, self.norm)


@dataclass(frozen=True)
class ClipValue:
    """Every entry of a gradient is cut to [-value, value]."""

    value: float

    def __post_init__(self) -> None:
        """Validate."""
        _check_positive("value", self.value)

    def __call__(self, parameters: Iterable[nn.Parameter]) -> None:
        """Clip in place."""
        torch.nn.utils.clip_grad_value_(parameters, self.value)


Clipping = ClipNorm | ClipValue


def read_clipping(clip: Any) -> Clipping | None:
    """What `clip` of `fit` stands for; a number is the largest norm. Raises `OptionError`."""
    if clip is None or isinstance(clip, (ClipNorm, ClipValue)):
        return clip
    if isinstance(clip, (int, float)) and not isinstance(clip, bool):
        return ClipNorm(float(clip))
    raise OptionError(
        f"clip={clip!r}: give the largest norm of the gradient, as a number, or ClipValue(0.5)."
    )


def _check_positive(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise OptionError(f"Clipping: {name}={value!r} must be a number above 0.")
