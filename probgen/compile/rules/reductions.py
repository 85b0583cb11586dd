"""Lowering of reductions, running sums and matrix products.

A matrix product is a sum over the products of two broadcast views: the loop emitter sees one
kind of reduction, whatever its source.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from probgen.compile.ir import DOUBLE, Graph, View
from probgen.compile.rules.pointwise import multiply
from probgen.compile.rules.registry import RULES, product, rule
from probgen.compile.rules.views import _unsqueeze

aten = torch.ops.aten


def reduce_dims(
    graph: Graph, operation: str, x: View, dims: Sequence[int] | None, keepdim: bool
) -> View:
    """Reduce over `dims` (all when empty or None), keeping them with size 1 if asked."""
    rank = len(x.shape)
    chosen = sorted({d % rank for d in dims}) if dims else list(range(rank))
    if x.dtype != DOUBLE and operation == "sum":
        x = graph.pointwise("double({0})", (x,))
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


def _scan(operation: str) -> Any:
    def lower(graph: Graph, x: View, dim: int, **_: Any) -> View:
        if not x.shape:
            return x
        order = [d for d in range(len(x.shape)) if d != dim % len(x.shape)]
        order.append(dim % len(x.shape))
        back = [order.index(d) for d in range(len(order))]
        return graph.scan(operation, x.permute(order)).permute(back)

    return lower


RULES[aten.cumsum.default] = _scan("sum")
RULES[aten.cumprod.default] = _scan("prod")


def contract(graph: Graph, a: View, b: View) -> View:
    """Batched matrix product of (..., N, K) and (..., K, M)."""
    shape = (*a.shape[:-1], a.shape[-1], b.shape[-1])
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
