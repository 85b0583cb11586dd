"""Composite operations on places and matrices, spelled out like those of `compositions`.

`PLACEMENTS` is the whole table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

__all__ = ["PLACEMENTS"]

aten = torch.ops.aten


def _repeat(x, repeats):
    lead = len(repeats) - x.dim()
    shape = (1,) * lead + tuple(x.shape)
    apart = [size for n, s in zip(repeats, shape, strict=True) for size in (1, s)]
    wide = [size for n, s in zip(repeats, shape, strict=True) for size in (n, s)]
    joined = [n * s for n, s in zip(repeats, shape, strict=True)]
    return x.reshape(apart).expand(wide).reshape(joined)


def _roll(x, shifts, dims=()):
    if not dims:
        return _roll(x.reshape(-1), shifts, [0]).reshape(x.shape)
    for shift, dim in zip(shifts, dims, strict=True):
        cut = x.shape[dim] - shift % max(x.shape[dim], 1)
        x = torch.cat([x.narrow(dim, cut, x.shape[dim] - cut), x.narrow(dim, 0, cut)], dim)
    return x


def _trace(x):
    return x.diagonal().sum()


def _indices(dim, index):
    return [None] * dim + [index]


def _index_add(x, dim, index, source, *, alpha=1):
    scaled = source if alpha == 1 else source * alpha
    if not x.dim():
        return x + scaled.reshape(()) * len(index.reshape(-1))
    return aten.index_put.default(x, _indices(dim % x.dim(), index), scaled, True)


def _index_copy(x, dim, index, source):
    return aten.index_put.default(x, _indices(dim % x.dim(), index), source)


def _index_fill(x, dim, index, value):
    filler = torch.as_tensor(value, dtype=x.dtype)
    return aten.index_put.default(x, _indices(dim % x.dim(), index), filler)


def _take(x, index):
    return x.reshape(-1)[index]


def _masked_select(x, mask):
    shape = torch.broadcast_tensors(x, mask)[0].shape
    return x.expand(shape)[mask.expand(shape)]


def _searchsorted(sorted_sequence, x, *, out_int32=False, right=False, side=None, sorter=None):
    if sorter is not None:
        sorted_sequence = torch.gather(sorted_sequence, -1, sorter)
    values = torch.as_tensor(x)[..., None]
    shared = sorted_sequence.dim() == 1
    edges = sorted_sequence if shared else sorted_sequence[..., None, :]
    passed = edges <= values if right or side == "right" else edges < values
    return passed.sum(-1)


def _bucketize(x, boundaries, *, out_int32=False, right=False):
    return _searchsorted(boundaries, x, right=right)


# --- determinants ----------------------------------------------------------------------------


def _upper_factor(a):
    """Sign of the permutation and diagonal of the upper factor, and what the gradient reads.

    Torch factorises the transposed matrix when it is contiguous, and its derivative knows.
    """
    factors, pivots, _ = torch.linalg.lu_factor_ex(a.mT if a.is_contiguous() else a)
    own = torch.arange(1, a.shape[-1] + 1)
    sign = torch.where(pivots == own, 1.0, -1.0).to(a.dtype).prod(-1)
    return sign, factors.diagonal(0, -2, -1), factors, pivots


def _det(a):
    sign, diagonal, factors, pivots = _upper_factor(a)
    return sign * diagonal.prod(-1), factors, pivots


def _slogdet(a):
    sign, diagonal, factors, pivots = _upper_factor(a)
    return sign * diagonal.sign().prod(-1), diagonal.abs().log().sum(-1), factors, pivots


PLACEMENTS: dict[Any, Callable[..., Any]] = {
    aten.repeat.default: _repeat,
    aten.roll.default: _roll,
    aten.trace.default: _trace,
    aten.index_add.default: _index_add,
    aten.index_copy.default: _index_copy,
    aten.index_fill.int_Scalar: _index_fill,
    aten.index_fill.int_Tensor: _index_fill,
    aten.take.default: _take,
    aten.masked_select.default: _masked_select,
    aten.searchsorted.Tensor: _searchsorted,
    aten.searchsorted.Scalar: _searchsorted,
    aten.bucketize.Tensor: _bucketize,
    aten._linalg_det.default: _det,
    aten._linalg_slogdet.default: _slogdet,
}
