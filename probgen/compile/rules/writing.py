"""Lowering of writing into parts of a tensor: assembled buffers, scatters and selections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from probgen.compile.ir import LOGICAL, Graph, View, contiguous_strides
from probgen.compile.rules.indexing import (
    constant_array,
    indexed,
    may_overlap,
    positions,
    progression,
    stepped,
    without_masks,
)
from probgen.compile.rules.registry import as_view, broadcast, refuse, rule
from probgen.compile.rules.views import diagonal, take_index, take_slice

__all__ = ["add_parts", "write"]

aten = torch.ops.aten
_MOST_PARTS = 1000  # of one buffer: longer lists would make compilation slow


def write(graph: Graph, base: View, pieces: Sequence[tuple[View, View]]) -> View:
    """A copy of `base` with each value written at the place that a view of it names."""
    parts = [(value, place.offset, place.strides) for value, place in pieces]
    earlier = _earlier_writes(base, [place for _, place in pieces])
    if earlier is not None:
        fill = base.node.attributes[1]
        parts = [*earlier, *parts]
        return graph.assemble(base.shape, base.node.views[-1] if fill is None else fill, parts)
    return graph.assemble(base.shape, base if base.literal is None else float(base.literal), parts)


def _earlier_writes(base: View, places: Sequence[View]) -> list[tuple] | None:
    """What was written to make `base`, if other places are written now: one buffer does."""
    node = base.node
    if node.kind != "assemble" or not base.whole or len(node.views) > _MOST_PARTS:
        return None
    found = []
    for value, (offset, strides) in zip(node.views, node.attributes[0], strict=False):
        before = View(base.node, value.shape, strides, offset)
        if any(may_overlap(before, place) for place in places):
            return None
        found.append((value, offset, strides))
    return found


def add_parts(graph: Graph, x: View, y: View) -> View | None:
    """x + y where each is zero but for some places, and these are apart; None otherwise.

    Such sums are the derivative of reading a tensor piece by piece, as in a loop over time.
    """
    if not _zero_but_for_parts(y) or x.shape != y.shape:
        return None
    if x.node.kind == "pointwise" and x.node.attributes == ("({0}+{1})",) and x.whole:
        rest, last = x.node.views
        both = add_parts(graph, last, y) if last.shape == x.shape else None
        return None if both is None else graph.pointwise("({0}+{1})", (rest, both))
    if not _zero_but_for_parts(x):
        return None
    pieces = _parts(y)
    earlier = _earlier_writes(x, [View(x.node, v.shape, strides, at) for v, at, strides in pieces])
    return None if earlier is None else graph.assemble(x.shape, 0.0, [*earlier, *pieces])


def _zero_but_for_parts(x: View) -> bool:
    return (
        x.node.kind == "assemble"
        and x.whole
        and x.node.attributes[1] == 0.0
        and len(x.node.views) <= _MOST_PARTS
    )


def _parts(x: View) -> list[tuple]:
    places = x.node.attributes[0]
    return [(view, at, strides) for view, (at, strides) in zip(x.node.views, places, strict=True)]


def _blank(graph: Graph, shape: Sequence[int]) -> tuple[View, View]:
    """Zeros of a shape, and the row-major places in them."""
    zeros = graph.number(0.0).expand(shape)
    return zeros, _places(zeros)


def _places(x: View) -> View:
    return View(x.node, x.shape, contiguous_strides(x.shape))


def _onto(graph: Graph, base: View, added: View) -> View:
    return added if base.literal == 0 else graph.pointwise("({0}+{1})", (base, added))


def _replace(graph: Graph, base: View, where: np.ndarray, value: View) -> View:
    """`base` with `value` written at constant row-major positions; the last one wins."""
    source = np.full(int(np.prod(base.shape)), -1)
    source[where.reshape(-1)] = np.arange(where.size)
    source = source.reshape(base.shape)
    hit = graph.constant(source >= 0)
    if value.literal is not None:
        value = value.restride(base.shape, [0] * len(base.shape))
    else:
        flat = graph.contiguous(value).restride(base.shape, [0] * len(base.shape))
        value = graph.gather(flat, [graph.constant(np.maximum(source, 0))], [1])
    return graph.pointwise("({0}?{1}:{2})", broadcast(graph, (hit, value, base)), base.dtype)


# --- indexed places --------------------------------------------------------------------------


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
    target = _places(x)
    base, where, index_strides = indexed(graph, target, full)
    value = values.expand(base.shape)
    if accumulate:
        added = graph.scatter(value, where, x.shape, base.strides, index_strides)
        return _onto(graph, x, added)
    dims = [d for d, index in enumerate(full) if index is not None]
    if len(dims) == 1:
        steps = progression(positions(graph, _given(full[dims[0]]), x.shape[dims[0]]))
        if steps is not None and (steps[1] or base.shape[dims[0]] == 1):
            place = stepped(target, dims[0], base.shape[dims[0]], *steps)
            return write(graph, x, [(value, place)])
    return _replace(graph, x, _row_major(base, where, index_strides), value)


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
    return _onto(graph, x, graph.scatter(value, [where], x.shape, loop, [steps[at]]))


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
    if reduce != "sum" or not include_self:
        raise refuse(f"scatter_reduce by {reduce}")
    return _scatter_add(graph, x, dim, index, source)


@rule(aten.scatter.src, aten.scatter.value)
def _scatter(graph: Graph, x: View, dim: int, index: View, source: Any) -> View:
    at = dim % len(x.shape)
    value = as_view(graph, source)
    strides = value.strides if value.shape else [0] * len(index.shape)
    value = value.restride(index.shape, strides)
    array = constant_array(index)
    if array is not None:
        steps = contiguous_strides(x.shape)
        grid = np.indices(index.shape)
        grid[at] = np.where(array < 0, array + x.shape[at], array)
        return _replace(graph, x, sum(g * s for g, s in zip(grid, steps, strict=True)), value)
    others = [n for d, n in enumerate(x.shape) if d != at]
    if index.shape[at] != 1 or [n for d, n in enumerate(index.shape) if d != at] != others:
        raise refuse("scattering to positions that depend on random values")
    here = np.arange(x.shape[at]).reshape([-1 if d == at else 1 for d in range(len(x.shape))])
    views = broadcast(graph, (graph.constant(here), index, value, x))
    return graph.pointwise("({0}=={1}?{2}:{3})", views, x.dtype)


# --- places that are views -------------------------------------------------------------------


@rule(aten.as_strided_scatter.default)
def _as_strided_scatter(
    graph: Graph,
    x: View,
    source: View,
    size: Sequence[int],
    stride: Sequence[int],
    offset: int = 0,
) -> View:
    return write(graph, x, [(source, View(x.node, tuple(size), tuple(stride), offset))])


@rule(aten.select_backward.default)
def _select_backward(graph: Graph, grad: View, sizes: Sequence[int], dim: int, index: int) -> View:
    zeros, places = _blank(graph, sizes)
    return write(graph, zeros, [(grad, take_index(graph, places, dim, index))])


@rule(aten.slice_backward.default)
def _slice_backward(
    graph: Graph, grad: View, sizes: Sequence[int], dim: int, start: int, end: int, step: int
) -> View:
    zeros, places = _blank(graph, sizes)
    return write(graph, zeros, [(grad, take_slice(graph, places, dim, start, end, step))])


@rule(aten.select_scatter.default)
def _select_scatter(graph: Graph, x: View, source: View, dim: int, index: int) -> View:
    return write(graph, x, [(source, take_index(graph, _places(x), dim, index))])


@rule(aten.slice_scatter.default)
def _slice_scatter(
    graph: Graph,
    x: View,
    source: View,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> View:
    place = take_slice(graph, _places(x), dim, start, end, step)
    return write(graph, x, [(source.expand(place.shape), place)])


@rule(aten.diagonal_scatter.default)
def _diagonal_scatter(
    graph: Graph, x: View, source: View, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> View:
    return write(graph, x, [(source, diagonal(graph, _places(x), offset, dim1, dim2))])


@rule(aten.diagonal_backward.default)
def _diagonal_backward(
    graph: Graph, grad: View, sizes: Sequence[int], offset: int, dim1: int, dim2: int
) -> View:
    zeros, places = _blank(graph, sizes)
    return write(graph, zeros, [(grad, diagonal(graph, places, offset, dim1, dim2))])


@rule(aten.diag_embed.default)
def _diag_embed(graph: Graph, x: View, offset: int = 0, dim1: int = -2, dim2: int = -1) -> View:
    if (dim1, dim2) != (-2, -1):
        raise refuse("diag_embed into other than the last two dimensions")
    size = x.shape[-1] + abs(offset)
    zeros, places = _blank(graph, (*x.shape[:-1], size, size))
    return write(graph, zeros, [(x, diagonal(graph, places, offset, dim1, dim2))])
