"""Lowering of writing at positions in tensors: constant ones become selections, computed ones
a loop, sums a scatter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from probgen.compile.ir import DOUBLE, INT, LOGICAL, Graph, View, contiguous_strides
from probgen.compile.rules.indexing import (
    constant_array,
    indexed,
    positions,
    progression,
    stepped,
    without_masks,
)
from probgen.compile.rules.registry import as_view, broadcast, refuse, rule
from probgen.compile.rules.scans import along
from probgen.compile.rules.views import reshape
from probgen.compile.rules.writing import alike, onto, places_of, replace, write

aten = torch.ops.aten


@rule(aten.index_put.default)
def _index_put(
    graph: Graph, x: View, indices: Sequence[View | None], values: View, accumulate: bool = False
) -> View:
    mask = _computed_mask(graph, x, indices)
    if mask is not None:
        if accumulate or values.shape not in ((), (1,)):
            raise refuse("writing several values through a mask that depends on random values")
        return graph.pointwise("({0}?{1}:{2})", broadcast(graph, (mask, values, x)), x.dtype)
    full = without_masks(graph, x, indices)
    target = places_of(x)
    base, where, index_strides = indexed(graph, target, full)
    value = values.expand(base.shape)
    if accumulate:
        added = graph.scatter(value, where, x.shape, base.strides, index_strides)
        return onto(graph, x, added)
    dims = [d for d, index in enumerate(full) if index is not None]
    if len(dims) == 1:
        steps = progression(positions(graph, _given(full[dims[0]]), x.shape[dims[0]]))
        if steps is not None and (steps[1] or base.shape[dims[0]] == 1):
            place = stepped(target, dims[0], base.shape[dims[0]], *steps)
            return write(graph, x, [(value, place)])
    if any(view.node.kind != "constant" for view in where):
        return _put_computed(graph, x, full, value)
    return replace(graph, x, _row_major(base, where, index_strides), value)


def _put_computed(graph: Graph, x: View, full: Sequence[View | None], value: View) -> View:
    """Writing at computed positions of the leading dimensions, one after another."""
    dims = [d for d, index in enumerate(full) if index is not None]
    if dims != list(range(len(dims))):
        raise refuse("writing at positions of inner dimensions that depend on random values")
    views = broadcast(graph, [positions(graph, _given(full[d]), x.shape[d]) for d in dims])
    template = "{0}"
    for d in dims[1:]:
        template = f"({template}*{x.shape[d]}+{{{d}}})"
    place = graph.pointwise(template, views, INT)
    split, rest = len(place.shape), x.shape[len(dims) :]
    total, count = math.prod(x.shape[: len(dims)]), math.prod(place.shape)
    flat = reshape(graph, x, [total, *rest])
    rows = reshape(graph, value, [count, *value.shape[split:]])
    spread = _widened(reshape(graph, place, [count]), rows.shape)
    return reshape(graph, _scatter_along(graph, flat, 0, spread, rows), x.shape)


def _widened(place: View, shape: Sequence[int]) -> View:
    return place.restride(shape, (*place.strides, *[0] * (len(shape) - 1)))


def _scatter_along(
    graph: Graph,
    x: View,
    dim: int,
    where: View,
    value: View,
    function: str = "scatter",
    *more: int,
) -> View:
    """Values written at computed positions along one dimension, in their order."""
    rest = [n for d, n in enumerate(x.shape) if d != dim]
    if [n for d, n in enumerate(where.shape) if d != dim] != rest:
        raise refuse("scattering part of the rows to positions that depend on random values")
    if 0 in where.shape:
        return x

    def apply(x: View, where: View, value: View) -> View:
        extra = (math.prod(x.shape[:-1]), x.shape[-1], where.shape[-1], *more)
        return graph.call(f"probgen::sorting::{function}", x.shape, [x, where, value], extra)

    real = [
        v if v.dtype == DOUBLE else graph.pointwise("double({0})", (v,)) for v in (where, value)
    ]
    result = along(dim, [x, *real], apply)
    return result if x.dtype == DOUBLE else graph.pointwise("int({0})", (result,), x.dtype)


def _row_major(base: View, where: Sequence[View], index_strides: Sequence[int]) -> np.ndarray:
    """The constant positions, in a buffer, that indices name."""
    flat = np.zeros(base.shape, dtype=np.int64)
    for step, grid in zip(base.strides, np.indices(base.shape, sparse=True), strict=True):
        flat = flat + step * grid
    for view, stride in zip(where, index_strides, strict=True):
        array = constant_array(view)
        if array is None:
            raise refuse("writing at positions that depend on random values")
        flat = flat + array * stride
    return flat


def _given(index: View | None) -> View:
    if index is None:
        raise refuse("an index is missing")
    return index


def _computed_mask(graph: Graph, x: View, indices: Sequence[View | None]) -> View | None:
    """A computed boolean mask over leading dimensions, seen over all of `x`."""
    if len(indices) != 1 or indices[0] is None or indices[0].dtype != LOGICAL:
        return None
    mask = indices[0]
    if mask.node.kind == "constant":
        return None
    after = len(x.shape) - len(mask.shape)
    return mask.restride(x.shape, (*mask.strides, *[0] * after))


@rule(aten.scatter_add.default)
def _scatter_add(graph: Graph, x: View, dim: int, index: View, source: View) -> View:
    if not x.shape:
        return graph.pointwise("({0}+{1})", (x, source))
    at = dim % len(x.shape)
    steps = contiguous_strides(x.shape)
    loop = [0 if d == at else stride for d, stride in enumerate(steps)]
    where = positions(graph, index, x.shape[at])
    value = source.restride(index.shape, source.strides)
    return onto(graph, x, graph.scatter(value, [where], x.shape, loop, [steps[at]]))


@rule(aten.scatter_reduce.two)
def _scatter_reduce(
    graph: Graph,
    x: View,
    dim: int,
    index: View,
    source: View,
    reduce: str,
    include_self: bool = True,
) -> View:
    if reduce in ("amax", "amin") and x.shape:
        at, sign = dim % len(x.shape), 1 if reduce == "amax" else -1
        where = positions(graph, index, x.shape[at])
        value = source.restride(index.shape, source.strides)
        options = (sign, int(include_self))
        return _scatter_along(graph, x, at, where, value, "scatter_extreme", *options)
    if reduce not in ("sum", "mean"):
        raise refuse(f"scatter_reduce by {reduce}")
    if reduce == "sum" and include_self:
        return _scatter_add(graph, x, dim, index, source)
    zeros, ones = (
        graph.number(n).expand(shape) for n, shape in ((0.0, x.shape), (1.0, index.shape))
    )
    met = _scatter_add(graph, zeros, dim, index, ones)
    total = _scatter_add(graph, zeros, dim, index, source)
    template = "({0}+{1})" if include_self else "({2}>0?{1}:{0})"
    if reduce == "mean":
        count = "({2}+1.0)" if include_self else "({2}>0?{2}:1.0)"
        template = f"({template}/{count})"
    return graph.pointwise(template, (x, total, met))


@rule(aten.scatter.src, aten.scatter.value)
def _scatter(graph: Graph, x: View, dim: int, index: View, source: Any) -> View:
    value = as_view(graph, source)
    if not x.shape:
        return alike(graph, value, x)
    at = dim % len(x.shape)
    strides = value.strides if value.shape else [0] * len(index.shape)
    value = value.restride(index.shape, strides)
    array = constant_array(index)
    if array is not None:
        steps = contiguous_strides(x.shape)
        grid = np.indices(index.shape)
        grid[at] = np.where(array < 0, array + x.shape[at], array)
        return replace(graph, x, sum(g * s for g, s in zip(grid, steps, strict=True)), value)
    if index.shape[at] != 1:
        where = positions(graph, index, x.shape[at])
        return _scatter_along(graph, x, at, where, value.expand(index.shape))
    others = [n for d, n in enumerate(x.shape) if d != at]
    if [n for d, n in enumerate(index.shape) if d != at] != others:
        raise refuse("scattering to positions that depend on random values")
    here = np.arange(x.shape[at]).reshape([-1 if d == at else 1 for d in range(len(x.shape))])
    views = broadcast(graph, (graph.constant(here), index, value, x))
    return graph.pointwise("({0}=={1}?{2}:{3})", views, x.dtype)
