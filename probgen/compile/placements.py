"""Composite operations on places and matrices, spelled out like those of `compositions`.

`PLACEMENTS` is the whole table.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from probgen.compile.windows import WINDOWS

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


def _masked_scatter(x, mask, source):
    where = torch.broadcast_tensors(mask, x)[0]
    place = where.reshape(-1).long().cumsum(0) - 1
    chosen = source.reshape(-1)[place.clamp(0, source.numel() - 1)]
    return torch.where(where, chosen.reshape(where.shape), x.expand(where.shape))


def _masked_scatter_backward(grad, mask, sizes):
    count = math.prod(sizes)
    where = mask.expand(grad.shape).reshape(-1)
    place = torch.where(where, where.long().cumsum(0) - 1, count)
    slopes = torch.where(where, grad.reshape(-1), 0.0)
    slots = torch.zeros(count + 1, dtype=grad.dtype).index_add(0, place, slopes)
    return slots[:count].reshape(sizes)


def _put(x, index, source, accumulate=False):
    flat = aten.index_put.default(
        x.reshape(-1), [index.reshape(-1)], source.reshape(-1), accumulate
    )
    return flat.reshape(x.shape)


# --- distances ---------------------------------------------------------------------------------


def _distance(difference, p):
    size = torch.abs(difference)
    if p == 0:
        return (size != 0).to(size.dtype).sum(-1)
    if math.isinf(p):
        return size.amax(-1)
    return torch.linalg.vector_norm(difference, p, -1)


def _distance_slope(grad, difference, p, distance):
    """Derivative of a distance in its difference; zero where the points are one, as in torch."""
    if p == 0:
        return torch.zeros_like(difference)
    sign, far = torch.sign(difference), distance[..., None]
    if p == 1:
        return grad[..., None] * sign
    if math.isinf(p):
        return grad[..., None] * sign * (torch.abs(difference) == far)
    safe = torch.where(far == 0, 1.0, far)
    slope = sign * torch.pow(torch.abs(difference) / safe, p - 1)
    return torch.where(far == 0, 0.0, grad[..., None] * slope)


def _cdist(a, b, p, compute_mode=None):
    return _distance(a[..., :, None, :] - b[..., None, :, :], p)


def _cdist_backward(grad, a, b, p, distance):
    difference = a[..., :, None, :] - b[..., None, :, :]
    return _distance_slope(grad, difference, p, distance).sum(-2)


def _pdist(x, p=2):
    rows, columns = torch.triu_indices(len(x), len(x), 1)
    return _distance(x[rows] - x[columns], p)


def _pdist_backward(grad, x, p, distance):
    rows, columns = torch.triu_indices(len(x), len(x), 1)
    slope = _distance_slope(grad, x[rows] - x[columns], p, distance)
    zeros = torch.zeros(x.shape, dtype=x.dtype)
    return zeros.index_add(0, rows, slope).index_add(0, columns, -slope)


# --- matrices ----------------------------------------------------------------------------------


def _addbmm(base, a, b, *, beta=1, alpha=1):
    return beta * base + alpha * torch.bmm(a, b).sum(0)


def _trilinear(a, b, c, expand1, expand2, expand3, sumdim, unroll_dim=1):
    for dim in expand1:
        a = a.unsqueeze(dim)
    for dim in expand2:
        b = b.unsqueeze(dim)
    for dim in expand3:
        c = c.unsqueeze(dim)
    product = a * b * c
    return product.sum(sumdim) if sumdim else product


def _pinv(a, *, atol=None, rtol=None, hermitian=False):
    u, values, vh = torch.linalg.svd(a, full_matrices=False)
    largest = values.amax(-1, keepdim=True)
    relative = max(a.shape[-2:]) * torch.finfo(a.dtype).eps if rtol is None else rtol
    if atol is not None and rtol is None:
        relative = torch.where(torch.as_tensor(atol) > 0, 0.0, relative)
    limit = torch.as_tensor(relative)[..., None] * largest
    if atol is not None:
        limit = torch.maximum(limit, torch.as_tensor(atol, dtype=a.dtype)[..., None])
    inverse = torch.where(values > limit, 1 / values, 0.0)
    return (vh.mT * inverse[..., None, :]) @ u.mT


def _lu(a, *, pivot=True):
    factors, pivots, _ = torch.linalg.lu_factor_ex(a)
    return tuple(torch.lu_unpack(factors, pivots))


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
    **WINDOWS,
    aten.masked_scatter.default: _masked_scatter,
    aten.masked_scatter_backward.default: _masked_scatter_backward,
    aten.put.default: _put,
    aten._cdist_forward.default: _cdist,
    aten._cdist_backward.default: _cdist_backward,
    aten._pdist_forward.default: _pdist,
    aten._pdist_backward.default: _pdist_backward,
    aten.addbmm.default: _addbmm,
    aten._trilinear.default: _trilinear,
    aten.linalg_pinv.atol_rtol_tensor: _pinv,
    aten.linalg_lu.default: _lu,
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
