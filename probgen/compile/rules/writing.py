"""Lowering of writing into parts of a tensor that are views: assembled buffers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from probgen.compile.ir import DOUBLE, Graph, View, contiguous_strides
from probgen.compile.rules.indexing import extent, may_overlap
from probgen.compile.rules.registry import broadcast, rule
from probgen.compile.rules.views import diagonal, take_index, take_slice

__all__ = ["add_parts", "alike", "onto", "places_of", "replace", "write"]

aten = torch.ops.aten
_MOST_PARTS = 1000  # of one buffer: longer lists would make compilation slow


def write(graph: Graph, base: View, pieces: Sequence[tuple[View, View]]) -> View:
    """A copy of `base` with each value written at the place that a view of it names."""
    parts = [(alike(graph, value, base), p.offset, p.strides) for value, p in pieces]
    places = [place for _, place in pieces]
    earlier = _earlier_writes(graph, base, places)
    if earlier is not None:
        fill = base.node.attributes[1]
        parts = [*earlier, *parts]
        both = graph.assemble(base.shape, base.node.views[-1] if fill is None else fill, parts)
        graph.written[both.node] = _hull([_written(graph, base), *map(extent, places)])
        return both
    return graph.assemble(base.shape, base if base.literal is None else float(base.literal), parts)


def alike(graph: Graph, value: View, base: View) -> View:
    """A value of the type of what it is written to: a buffer has one."""
    mixed = base.dtype == DOUBLE and value.dtype != DOUBLE
    return graph.pointwise("double({0})", (value,)) if mixed else value


def _earlier_writes(graph: Graph, base: View, places: Sequence[View]) -> list[tuple] | None:
    """What was written to make `base`, if other places are written now: one buffer does."""
    node = base.node
    if node.kind != "assemble" or not base.whole or len(node.views) > _MOST_PARTS:
        return None
    low, high = _written(graph, base)
    for place in places:
        first, last = extent(place)
        if first <= high and low <= last and _meets(base, place):
            return None
    return _parts(base)


def _meets(base: View, place: View) -> bool:
    """Whether `place` shares an element with anything that was written to make `base`."""
    return any(
        may_overlap(View(base.node, value.shape, strides, offset), place)
        for value, offset, strides in _parts(base)
    )


def _written(graph: Graph, base: View) -> tuple[int, int]:
    """The first and the last position that was written to make `base`."""
    if base.node not in graph.written:
        places = (View(base.node, v.shape, steps, at) for v, at, steps in _parts(base))
        graph.written[base.node] = _hull(list(map(extent, places)))
    return graph.written[base.node]


def _hull(extents: Sequence[tuple[int, int]]) -> tuple[int, int]:
    return min(first for first, _ in extents), max(last for _, last in extents)


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
    places = [View(x.node, v.shape, strides, at) for v, at, strides in pieces]
    earlier = _earlier_writes(graph, x, places)
    if earlier is None:
        return None
    both = graph.assemble(x.shape, 0.0, [*earlier, *pieces])
    graph.written[both.node] = _hull([_written(graph, x), _written(graph, y)])
    return both


def _zero_but_for_parts(x: View) -> bool:
    return (
        x.node.kind == "assemble"
        and x.whole
        and x.node.attributes[1] == 0.0
        and len(x.node.views) <= _MOST_PARTS
    )


def _parts(x: View) -> list[tuple]:
    """What was written to make `x`: (value, offset, strides)."""
    places = x.node.attributes[0]
    return [(view, at, strides) for view, (at, strides) in zip(x.node.views, places, strict=False)]


def _blank(graph: Graph, shape: Sequence[int]) -> tuple[View, View]:
    """Zeros of a shape, and the row-major places in them."""
    zeros = graph.number(0.0).expand(shape)
    return zeros, places_of(zeros)


def places_of(x: View) -> View:
    """The row-major places of a buffer of the shape of `x`."""
    return View(x.node, x.shape, contiguous_strides(x.shape))


def onto(graph: Graph, base: View, added: View) -> View:
    """The sum of two tensors, of which the first is often zero."""
    return added if base.literal == 0 else graph.pointwise("({0}+{1})", (base, added))


def replace(graph: Graph, base: View, where: np.ndarray, value: View) -> View:
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
    return write(graph, x, [(source, take_index(graph, places_of(x), dim, index))])


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
    place = take_slice(graph, places_of(x), dim, start, end, step)
    return write(graph, x, [(source.expand(place.shape), place)])


@rule(aten.diagonal_scatter.default)
def _diagonal_scatter(
    graph: Graph, x: View, source: View, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> View:
    return write(graph, x, [(source, diagonal(graph, places_of(x), offset, dim1, dim2))])


@rule(aten.diagonal_backward.default)
def _diagonal_backward(
    graph: Graph, grad: View, sizes: Sequence[int], offset: int, dim1: int, dim2: int
) -> View:
    zeros, places = _blank(graph, sizes)
    return write(graph, zeros, [(grad, diagonal(graph, places, offset, dim1, dim2))])


@rule(aten.diag_embed.default)
def _diag_embed(graph: Graph, x: View, offset: int = 0, dim1: int = -2, dim2: int = -1) -> View:
    size, rank = x.shape[-1] + abs(offset), len(x.shape) + 1
    a, b = dim1 % rank, dim2 % rank
    rest = iter(x.shape[:-1])
    shape = [size if d in (a, b) else next(rest) for d in range(rank)]
    zeros, places = _blank(graph, shape)
    return write(graph, zeros, [(x, diagonal(graph, places, offset, a, b))])
