"""The orthonormal cosine transform as a matrix product, where Pyro takes Fourier transforms.

Complex numbers have no place in a compiled density; up to a few thousand points the matrix is
as fast as what surrounds it. Longer signals take Pyro's way.
"""

from __future__ import annotations

import functools
import math

import torch
from pyro.ops import tensor_utils

__all__ = ["dct", "idct"]

_LONGEST = 2048


def dct(x: torch.Tensor, dim: int = -1) -> torch.Tensor:
    """Cosine transform of type II along `dim`, scaled to be orthonormal."""
    if x.size(dim) > _LONGEST:
        return tensor_utils.dct(x, dim)
    return (x.movedim(dim, -1) @ _matrix(x.size(dim)).mT).movedim(-1, dim)


def idct(x: torch.Tensor, dim: int = -1) -> torch.Tensor:
    """The inverse of `dct`."""
    if x.size(dim) > _LONGEST:
        return tensor_utils.idct(x, dim)
    return (x.movedim(dim, -1) @ _matrix(x.size(dim))).movedim(-1, dim)


@functools.lru_cache(8)
def _matrix(count: int) -> torch.Tensor:
    """Row k holds the cosine of frequency k."""
    where = torch.arange(count, dtype=torch.float64)
    angle = math.pi / count * where[:, None] * (where + 0.5)
    scale = torch.where(where == 0, math.sqrt(1 / count), math.sqrt(2 / count))
    return scale[:, None] * torch.cos(angle)
