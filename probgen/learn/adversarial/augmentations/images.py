"""Differentiable augmentations of images, row by row.

Zhao, Liu, Lin, Zhu and Han (2020), "Differentiable augmentation for data-efficient GAN training",
NeurIPS. Each function takes (row, channel, height, width) and gives the same shape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from probgen.errors import OptionError
from probgen.learn.adversarial.augmentations.augmentation import Augmentation, read_sites

if TYPE_CHECKING:
    from probgen.learn.training.loop import Loop

__all__ = ["KINDS", "DiffAugment", "read_kinds"]


def _uniform(value: Tensor, low: float, high: float) -> Tensor:
    return torch.empty(len(value), 1, 1, 1, dtype=value.dtype, device=value.device).uniform_(
        low, high
    )


def brightness(value: Tensor) -> Tensor:
    """A number out of (-0.5, 0.5) added to all pixels."""
    return value + _uniform(value, -0.5, 0.5)


def saturation(value: Tensor) -> Tensor:
    """The distance of channels from their mean, times a number out of (0, 2)."""
    mean = value.mean(1, keepdim=True)
    return mean + (value - mean) * _uniform(value, 0.0, 2.0)


def contrast(value: Tensor) -> Tensor:
    """The distance of pixels from the image's mean, times a number out of (0.5, 1.5)."""
    mean = value.mean((1, 2, 3), keepdim=True)
    return mean + (value - mean) * _uniform(value, 0.5, 1.5)


def translation(value: Tensor) -> Tensor:
    """Moved by up to an eighth of the side, at least a pixel; zeros come in."""
    rows, _, height, width = value.shape
    tall, wide = max(round(height / 8), 1), max(round(width / 8), 1)
    padded = pad(value, (wide, wide, tall, tall), value=0.0)
    down = torch.randint(0, 2 * tall + 1, (rows, 1), device=value.device)
    right = torch.randint(0, 2 * wide + 1, (rows, 1), device=value.device)
    lines = (down + torch.arange(height, device=value.device))[:, None, :, None]
    columns = (right + torch.arange(width, device=value.device))[:, None, None, :]
    row = torch.arange(rows, device=value.device)[:, None, None, None]
    channel = torch.arange(value.shape[1], device=value.device)[None, :, None, None]
    return padded[row, channel, lines, columns]


def cutout(value: Tensor) -> Tensor:
    """A rectangle of half the sides, at a random place, set to 0."""
    rows, _, height, width = value.shape
    tall, wide = max(height // 2, 1), max(width // 2, 1)
    top = torch.randint(0, height + (1 - tall % 2), (rows, 1), device=value.device) - tall // 2
    left = torch.randint(0, width + (1 - wide % 2), (rows, 1), device=value.device) - wide // 2
    line = torch.arange(height, device=value.device)
    column = torch.arange(width, device=value.device)
    inside = ((line >= top) & (line < top + tall))[:, None, :, None]
    inside = inside & ((column >= left) & (column < left + wide))[:, None, None, :]
    return value * (~inside).to(value.dtype)


def flip(value: Tensor) -> Tensor:
    """Left and right exchanged in half of the rows."""
    return torch.where(_uniform(value, 0.0, 1.0) < 0.5, value.flip(3), value)


KINDS: dict[str, tuple[Callable[[Tensor], Tensor], ...]] = {
    "brightness": (brightness,),
    "saturation": (saturation,),
    "contrast": (contrast,),
    "color": (brightness, saturation, contrast),
    "translation": (translation,),
    "cutout": (cutout,),
    "flip": (flip,),
}


def read_kinds(owner: Any) -> None:
    """Check the names of transformations; raises `OptionError`."""
    unknown = [kind for kind in owner.kinds if kind not in KINDS]
    if unknown or not owner.kinds:
        raise OptionError(
            f"{type(owner).__name__}({', '.join(map(repr, owner.kinds))}): give some of "
            f"{', '.join(map(repr, KINDS))}."
        )


@dataclass(frozen=True, repr=False, init=False)
class DiffAugment(Augmentation):
    """Random transformations of images that gradients pass through (Zhao et al. 2020).

    Args:
        kinds: names out of "translation", "cutout", "color" (all of "brightness", "saturation",
            "contrast"), "flip", applied in turn.
        sites: names of sites of images (channel, height, width); None for all of that shape.

    """

    kinds: tuple[str, ...]
    sites: tuple[str, ...] | None = None

    def __init__(self, *names: str, kinds: Any = (), sites: Any = None) -> None:
        object.__setattr__(self, "kinds", (*names, *kinds))
        object.__setattr__(self, "sites", sites)
        read_kinds(self)
        read_sites(self)

    def __call__(
        self, value: Tensor, state: dict[str, Tensor] | None = None, loop: Loop | None = None
    ) -> Tensor:
        """Images, transformed."""
        for kind in self.kinds:
            for transform in KINDS[kind]:
                value = transform(value)
        return value

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Images."""
        return len(shape) == 3

    @property
    def formula(self) -> str:
        """The transformation."""
        return f"T = {' then '.join(self.kinds)}"
