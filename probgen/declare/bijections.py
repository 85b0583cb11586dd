"""Maps from the real line to every continuous support, those included that torch leaves out.

Torch's `biject_to` has no one-to-one map to matrices: covariances, their Cholesky factors,
triangular and symmetric ones. They are built here from vectors of their free entries.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from pyro.distributions import constraints
from torch.distributions import Transform, biject_to
from torch.distributions.transforms import IndependentTransform, identity_transform

from probgen.declare.supports import continuous_support

__all__ = ["bijection", "has_bijection"]


def bijection(support: Any) -> Transform:
    """The smooth one-to-one map from unconstrained values to a continuous support.

    Raises `NotImplementedError` where there is none, as for unit vectors.
    """
    inner = continuous_support(support)
    if isinstance(inner, constraints.independent):
        base = bijection(inner.base_constraint)
        return IndependentTransform(base, inner.reinterpreted_batch_ndims)
    made = _MATRICES.get(type(inner))
    return biject_to(inner) if made is None else made()


def has_bijection(support: Any) -> bool:
    """Whether there is a smooth map between the support and the real line."""
    try:
        return support is not None and bijection(support) is not None
    except NotImplementedError:
        return False


@functools.lru_cache(64)
def _order(size: int, kind: str) -> torch.Tensor:
    """For every entry of a matrix, the place of its number in (0, 1, diagonal, entries below)."""
    rows, columns = np.indices((size, size))
    if kind == "symmetric":
        rows, columns = np.maximum(rows, columns), np.minimum(rows, columns)
    below = 2 + size + rows * (rows - 1) // 2 + columns
    place = np.where(rows > columns, below, np.where(rows == columns, 2 + rows, 0))
    if kind == "unit":
        place = np.where(rows > columns, below - size, np.where(rows == columns, 1, 0))
    return torch.from_numpy(place.reshape(-1))


class _FreeEntries(Transform):
    """A vector of free entries, the diagonal first, to a matrix that they fill row by row."""

    domain = constraints.real_vector
    codomain: Any = constraints.lower_triangular
    bijective = True
    kind = "triangular"

    def _call(self, x: torch.Tensor) -> torch.Tensor:
        size = self._size(x.shape[-1])
        entries = self._entries(x, size)
        known = x.new_zeros((*x.shape[:-1], 1))
        filled = torch.cat([known, known + 1.0, entries], -1)
        return filled[..., _order(size, self.kind)].reshape((*x.shape[:-1], size, size))

    def _inverse(self, y: torch.Tensor) -> torch.Tensor:
        rows, columns = torch.tril_indices(y.shape[-1], y.shape[-1], -1)
        diagonal = self._free(y.diagonal(dim1=-2, dim2=-1))
        return torch.cat([diagonal, y[..., rows, columns]], -1)

    def log_abs_det_jacobian(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Zero: entries are placed, not changed."""
        return x.new_zeros(x.shape[:-1])

    def forward_shape(self, shape: Any) -> torch.Size:
        size = self._size(shape[-1])
        return torch.Size((*shape[:-1], size, size))

    def inverse_shape(self, shape: Any) -> torch.Size:
        return torch.Size((*shape[:-2], self._count(shape[-1])))

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def _count(self, size: int) -> int:
        return size * (size + 1) // 2

    def _size(self, count: int) -> int:
        return (math.isqrt(8 * count + 1) - 1) // 2

    def _entries(self, x: torch.Tensor, size: int) -> torch.Tensor:
        return x

    def _free(self, diagonal: torch.Tensor) -> torch.Tensor:
        return diagonal


class _Symmetric(_FreeEntries):
    codomain = constraints.symmetric
    kind = "symmetric"


class _UnitLowerCholesky(_FreeEntries):
    """Ones on the diagonal: only the entries below it are free."""

    codomain = constraints.lower_cholesky
    kind = "unit"

    def _count(self, size: int) -> int:
        return size * (size - 1) // 2

    def _size(self, count: int) -> int:
        return (math.isqrt(8 * count + 1) + 1) // 2

    def _free(self, diagonal: torch.Tensor) -> torch.Tensor:
        return diagonal[..., :0]


class _LowerCholesky(_FreeEntries):
    """The logarithm of the diagonal is free."""

    codomain = constraints.lower_cholesky

    def _entries(self, x: torch.Tensor, size: int) -> torch.Tensor:
        return torch.cat([x[..., :size].exp(), x[..., size:]], -1)

    def _free(self, diagonal: torch.Tensor) -> torch.Tensor:
        return diagonal.log()

    def log_abs_det_jacobian(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The sum of the logarithms of the diagonal."""
        return x[..., : y.shape[-1]].sum(-1)


class _SoftplusLowerCholesky(_LowerCholesky):
    """The diagonal is log(1 + exp(x))."""

    def _entries(self, x: torch.Tensor, size: int) -> torch.Tensor:
        return torch.cat([torch.nn.functional.softplus(x[..., :size]), x[..., size:]], -1)

    def _free(self, diagonal: torch.Tensor) -> torch.Tensor:
        return diagonal + torch.log(-torch.expm1(-diagonal))

    def log_abs_det_jacobian(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The sum of log sigmoid(x) over the diagonal."""
        return torch.nn.functional.logsigmoid(x[..., : y.shape[-1]]).sum(-1)


class _PositiveDefinite(_LowerCholesky):
    """A matrix by its Cholesky factor."""

    codomain = constraints.positive_definite  # type: ignore[assignment]

    def _call(self, x: torch.Tensor) -> torch.Tensor:
        factor = super()._call(x)
        return factor @ factor.mT

    def _inverse(self, y: torch.Tensor) -> torch.Tensor:
        return super()._inverse(torch.linalg.cholesky(y))

    def log_abs_det_jacobian(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """With L = factor: d(L Lᵀ)/dL is 2ⁿ times the product of L[i, i] ** (n - i)."""
        size = y.shape[-1]
        powers = torch.arange(size + 1, 1, -1, dtype=x.dtype)
        return size * math.log(2) + (powers * x[..., :size]).sum(-1)


def _any_square() -> Transform:
    return IndependentTransform(identity_transform, 2)


_MATRICES: dict[type, Callable[[], Transform]] = {
    type(constraints.lower_triangular): _FreeEntries,
    type(constraints.symmetric): _Symmetric,
    type(constraints.square): _any_square,
    type(constraints.lower_cholesky): _LowerCholesky,
    type(constraints.positive_definite): _PositiveDefinite,
    type(constraints.positive_semidefinite): _PositiveDefinite,
    type(constraints.softplus_lower_cholesky): _SoftplusLowerCholesky,
    type(constraints.unit_lower_cholesky): _UnitLowerCholesky,
}
