"""Which visible units of a machine are the pixels of an image."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np
import torch
from torch import Tensor

from probgen.nets.boltzmann.layers import Layered
from probgen.nets.boltzmann.units import Units

__all__ = ["Pixels", "pixels_of"]

_SMALLEST_SIDE = 4
"""Of a square that is taken for an image unasked."""


@dataclass(frozen=True)
class Pixels:
    """A block of visible units that is an image of `shape` (height, width)."""

    units: Units
    columns: slice
    shape: tuple[int, int]

    def images(self, numbers: Tensor) -> np.ndarray:
        """States or weights of the visible layer, (case, width), as (case, height, width)."""
        part = numbers[:, self.columns].detach().cpu().to(torch.float64)
        return part.reshape(-1, *self.shape).numpy()


def pixels_of(machine: Layered) -> Pixels | None:
    """The first visible block that is an image, or None.

    The machine's attribute `image_shape` (height, width) says so; else a square number of
    Bernoulli or Gaussian units, from 4x4, is taken for one.
    """
    declared, start = getattr(machine, "image_shape", None), 0
    for units in machine.layers[0]:
        side = isqrt(units.size)
        square = side >= _SMALLEST_SIDE and side * side == units.size
        shape = tuple(declared) if declared is not None else (side, side) if square else None
        if units.kind != "categorical" and shape is not None and np.prod(shape) == units.size:
            return Pixels(units, slice(start, start + units.width), (shape[0], shape[1]))
        start += units.width
    return None
