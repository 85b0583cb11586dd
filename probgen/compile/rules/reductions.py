"""Lowering of reductions and matrix products.

A small matrix product is a sum over the products of two broadcast views: the loop emitter sees
one kind of reduction, whatever its source. A large one is a call of a BLAS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from probgen.compile import blas
from probgen.compile.ir import DOUBLE, INT, Graph, View
from probgen.compile.rules.pointwise import multiply
from probgen.compile.rules.registry import broadcast, product, rule
from probgen.compile.rules.views import _squeeze, _unsqueeze, reshape

aten = torch.ops.aten


def reduce_dims(
    graph: Graph, operation: str, x: View, dims: Sequence[int] | None, keepdim: bool
) -> View:
    """Reduce over `dims` (all when empty or None), keeping them with size 1 if asked."""
    rank = len(x.shape)
    chosen = sorted({d % rank for d in dims}) if dims else list(range(rank))
    if x.dtype != DOUBLE and operation == "sum":
        x = graph.pointwise("double({0})", (x,))
    if 0 in (x.shape[d] for d in chosen):
        kept = [n for d, n in enumerate(x.shape) if d not in chosen]
        result = graph.number({"sum": 0.0, "prod": 1.0}[operation]).expand(kept)
    else:
        result = graph.reduce(operation, x, chosen) if chosen else x
    for dim in chosen if keepdim else ():
        result = _unsqueeze(graph, result, dim)
    return result


@rule(aten.sum.default, aten.sum.dim_IntList)
def _sum(
    graph: Graph, x: View, dims: Sequence[int] | None = None, keepdim: bool = False, **_: Any
) -> View:
    return reduce_dims(graph, "sum", x, dims, keepdim)


@rule(aten.mean.default, aten.mean.dim)
def _mean(
    graph: Graph, x: View, dims: Sequence[int] | None = None, keepdim: bool = False, **_: Any
) -> View:
    total = reduce_dims(graph, "sum", x, dims, keepdim)
    count = 1
    for dim in dims or range(len(x.shape)):
        count *= x.shape[dim]
    return multiply(graph, total, 1.0 / count)


@rule(aten.amax.default)
def _amax(graph: Graph, x: View, dims: Sequence[int] = (), keepdim: bool = False) -> View:
    return reduce_dims(graph, "max", x, dims, keepdim)


@rule(aten.amin.default)
def _amin(graph: Graph, x: View, dims: Sequence[int] = (), keepdim: bool = False) -> View:
    return reduce_dims(graph, "min", x, dims, keepdim)


@rule(aten.max.default)
def _max(graph: Graph, x: View) -> View:
    return reduce_dims(graph, "max", x, None, False)


@rule(aten.min.default)
def _min(graph: Graph, x: View) -> View:
    return reduce_dims(graph, "min", x, None, False)


@rule(aten.prod.default)
def _prod(graph: Graph, x: View, **_: Any) -> View:
    return reduce_dims(graph, "prod", x, None, False)


@rule(aten.prod.dim_int)
def _prod_dim(graph: Graph, x: View, dim: int, keepdim: bool = False, **_: Any) -> View:
    return reduce_dims(graph, "prod", x, [dim], keepdim)


def _flattened(graph: Graph, x: View, dim: int | None) -> tuple[View, int]:
    return (reshape(graph, x, [-1]), 0) if dim is None else (x, dim % max(len(x.shape), 1))


def _extreme(graph: Graph, operation: str, x: View, dim: int, keepdim: bool) -> tuple[View, View]:
    """Largest or smallest values along `dim`, and where they first occur."""
    if not x.shape:
        return x, graph.number(0)
    count = x.shape[dim]
    values = reduce_dims(graph, operation, x, [dim], True)
    here = np.arange(count, dtype=np.float64)
    here = here.reshape([-1 if d == dim else 1 for d in range(len(x.shape))])
    views = broadcast(graph, (x, values, graph.constant(here), float(count - 1)))
    place = graph.pointwise("({0}=={1}||{0}!={0}?{2}:{3})", views)  # the first NaN wins
    first = reduce_dims(graph, "min", place, [dim], True)
    index = graph.pointwise("int({0})", (first,), INT)
    if keepdim:
        return values, index
    return _squeeze(graph, values, dim), _squeeze(graph, index, dim)


@rule(aten.max.dim)
def _max_dim(graph: Graph, x: View, dim: int, keepdim: bool = False) -> tuple[View, View]:
    return _extreme(graph, "max", *_flattened(graph, x, dim), keepdim)


@rule(aten.min.dim)
def _min_dim(graph: Graph, x: View, dim: int, keepdim: bool = False) -> tuple[View, View]:
    return _extreme(graph, "min", *_flattened(graph, x, dim), keepdim)


@rule(aten.argmax.default)
def _argmax(graph: Graph, x: View, dim: int | None = None, keepdim: bool = False) -> View:
    return _extreme(graph, "max", *_flattened(graph, x, dim), keepdim)[1]


@rule(aten.argmin.default)
def _argmin(graph: Graph, x: View, dim: int | None = None, keepdim: bool = False) -> View:
    return _extreme(graph, "min", *_flattened(graph, x, dim), keepdim)[1]


def contract(graph: Graph, a: View, b: View) -> View:
    """Batched matrix product of (..., N, K) and (..., K, M)."""
    whole = blas.gemm(graph, a, b)
    if whole is not None:
        return whole
    shape = (*a.shape[:-1], a.shape[-1], b.shape[-1])
    if a.shape[-1] == 0:
        return graph.number(0.0).expand((*shape[:-2], shape[-1]))
    left = _unsqueeze(graph, a, -1).expand(shape)
    right = _unsqueeze(graph, b, len(b.shape) - 2).expand(shape)
    return graph.reduce("sum", product(graph, left, right), [len(shape) - 2])


@rule(aten.mm.default, aten.bmm.default)
def _mm(graph: Graph, a: View, b: View) -> View:
    return contract(graph, a, b)


@rule(aten.mv.default)
def _mv(graph: Graph, a: View, x: View) -> View:
    return graph.reduce("sum", product(graph, a, x.expand(a.shape)), [1])


@rule(aten.dot.default, aten.vdot.default)
def _dot(graph: Graph, a: View, b: View) -> View:
    return graph.reduce("sum", product(graph, a, b), [0])


@rule(aten.addmm.default, aten.addmv.default, aten.baddbmm.default)
def _addmm(graph: Graph, base: View, a: View, b: View, beta: float = 1, alpha: float = 1) -> View:
    result = _mv(graph, a, b) if len(b.shape) == 1 else contract(graph, a, b)
    scaled = multiply(graph, result, alpha)
    shifted = multiply(graph, base.expand(scaled.shape), beta)
    return graph.pointwise("({0}+{1})", (scaled, shifted))
