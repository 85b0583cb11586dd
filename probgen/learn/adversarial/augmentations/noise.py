"""Noise on both sides, so that their supports meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from probgen.learn.adversarial.augmentations.augmentation import Augmentation, read_sites
from probgen.learn.adversarial.value import check_number, number_words
from probgen.learn.training.schedules import Schedule

if TYPE_CHECKING:
    from probgen.learn.training.loop import Loop

__all__ = ["InstanceNoise"]


@dataclass(frozen=True, repr=False)
class InstanceNoise(Augmentation):
    """Normal noise (Sonderby et al. 2017; Arjovsky and Bottou 2017).

    Args:
        scale: its standard deviation, in units of the site; a number or a schedule.
        sites: names of sites; None for all of real numbers.

    """

    scale: float | Schedule = 0.1
    sites: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Validate; raises `OptionError`."""
        check_number(self, "scale")
        read_sites(self)

    def __call__(
        self, value: Tensor, state: dict[str, Tensor] | None = None, loop: Loop | None = None
    ) -> Tensor:
        """Values with noise added; a schedule needs the loop."""
        scale = self.scale if loop is None else loop.value(self.scale)
        assert not isinstance(scale, Schedule)
        return value + scale * torch.randn_like(value)

    @property
    def formula(self) -> str:
        """The transformation."""
        return f"T(x) = x + {number_words(self.scale)} Normal(0, 1)"
