"""Lowering of indexing by tensors, and of writing into parts of a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from probgen.compile.ir import INT, LOGICAL, Graph, View, contiguous_strides
from probgen.compile.rules.registry import broadcast, refuse, rule
from probgen.compile.rules.views import diagonal, take_index, take_slice

aten = torch.ops.aten


def constant_array(view: View) -> np.ndarray | None:
    """The numbers behind a view of a constant; None when it is computed."""
    if view.node.kind != "constant":
        return None
    flat = view.node.attributes[0].reshape(-1)
    index = np.full((), view.offset, dtype=np.int64)
    for size, stride in zip(view.shape, view.strides, strict=True):
        index = index[..., None] + np.arange(size) * stride
    return flat[index]


def _positions(graph: Graph, index: View, size: int) -> View:
    """Index values with negative ones counted from the end."""
    array = constant_array(index)
    if array is not None:
        return graph.constant(np.where(array < 0, array + size, array))
    return graph.pointwise("({0}<0?{0}+{1}:{0})", broadcast(graph, (index, size)), INT)


def _progression(index: View) -> tuple[int, int] | None:
    """(first, step) when a constant index vector counts in equal steps."""
    array = constant_array(index)
    if array is None or array.ndim != 1 or array.size == 0:
        return None
    steps = np.unique(np.diff(array)) if array.size > 1 else np.zeros(1, int)
    return (int(array[0]), int(steps[0])) if steps.size == 1 else None


def _without_masks(graph: Graph, x: View, indices: Sequence[View | None]) -> list[View | None]:
    """Constant boolean masks as index vectors, one for each dimension that they cover."""
    plain: list[View | None] = []
    for index in indices:
        if index is None or index.dtype != LOGICAL:
            plain.append(index)
            continue
        mask = constant_array(index)
        if mask is None:
            raise refuse("indexing by a boolean mask that depends on random values")
        plain.extend(graph.constant(where) for where in np.nonzero(mask))
    return plain + [None] * (len(x.shape) - len(plain))


def _indexed(graph: Graph, x: View, indices: Sequence[View | None]) -> tuple:
    """(result shape, base view over it, index views over it, strides of the indexed dims)."""
    full = _without_masks(graph, x, indices)
    dims = [d for d, index in enumerate(full) if index is not None]
    views = broadcast(graph, [_positions(graph, full[d], x.shape[d]) for d in dims])
    core = views[0].shape
    adjacent = dims == list(range(dims[0], dims[0] + len(dims)))
    at = dims[0] if adjacent else 0
    rest = [d for d in range(len(x.shape)) if d not in dims]
    shape = [x.shape[d] for d in rest]
    strides = [x.strides[d] for d in rest]
    shape[at:at], strides[at:at] = core, [0] * len(core)
    wide = [
        v.restride(shape, [0] * at + list(v.strides) + [0] * (len(shape) - at - len(core)))
        for v in views
    ]
    return shape, x.restride(shape, strides), wide, [x.strides[d] for d in dims]


@rule(aten.index.Tensor, aten._unsafe_index.Tensor)
def _index(graph: Graph, x: View, indices: Sequence[View | None]) -> View:
    full = _without_masks(graph, x, indices)
    dims = [d for d, index in enumerate(full) if index is not None]
    if len(dims) == 1:
        position = _positions(graph, full[dims[0]], x.shape[dims[0]])
        steps = _progression(position)
        if steps is not None:
            return _stepped(x, dims[0], position.shape[0], *steps)
    _, base, views, index_strides = _indexed(graph, x, full)
    return graph.gather(base, views, index_strides)


def _stepped(x: View, dim: int, count: int, first: int, step: int) -> View:
    shape, strides = list(x.shape), list(x.strides)
    offset = x.offset + first * strides[dim]
    shape[dim], strides[dim] = count, strides[dim] * step
    return x.restride(shape, strides, offset)


@rule(aten.index_select.default)
def _index_select(graph: Graph, x: View, dim: int, index: View) -> View:
    return _index(graph, x, [None] * (dim % len(x.shape)) + [index])


@rule(aten.embedding.default)
def _embedding(graph: Graph, weight: View, indices: View, *_: Any) -> View:
    return _index(graph, weight, [indices])


@rule(aten.gather.default)
def _gather(graph: Graph, x: View, dim: int, index: View, **_: Any) -> View:
    at = dim % len(x.shape)
    strides = [0 if d == at else stride for d, stride in enumerate(x.strides)]
    position = _positions(graph, index, x.shape[at])
    return graph.gather(x.restride(index.shape, strides), [position], [x.strides[at]])


@rule(aten.scatter_add.default)
def _scatter_add(graph: Graph, x: View, dim: int, index: View, source: View) -> View:
    at = dim % len(x.shape)
    steps = contiguous_strides(x.shape)
    loop = [0 if d == at else stride for d, stride in enumerate(steps)]
    position = _positions(graph, index, x.shape[at])
    value = take_prefix(source, index.shape)
    return _onto(graph, x, graph.scatter(value, [position], x.shape, loop, [steps[at]]))


def take_prefix(x: View, shape: Sequence[int]) -> View:
    """The leading part of `x` with the given shape."""
    return x.restride(shape, x.strides)


def _onto(graph: Graph, base: View, added: View) -> View:
    if base.literal == 0:
        return added
    return graph.pointwise("({0}+{1})", (base, added))


@rule(aten.index_put.default, aten._unsafe_index_put.default, aten._index_put_impl.default)
def _index_put(
    graph: Graph, x: View, indices: Sequence[View | None], values: View, accumulate: bool = False,
    *_: Any,
) -> View:
    target = View(x.node, x.shape, contiguous_strides(x.shape))
    full = _without_masks(graph, x, indices)
    shape, loop, positions, index_strides = _indexed(graph, target, full)
    value = values.expand(shape)
    if accumulate:
        added = graph.scatter(value, positions, x.shape, loop.strides, index_strides)
        return _onto(graph, x, added)
    dims = [d for d, index in enumerate(full) if index is not None]
    if len(dims) == 1:
        steps = _progression(_positions(graph, full[dims[0]], x.shape[dims[0]]))
        if steps is not None:
            place = _stepped(target, dims[0], shape[dims[0]], *steps)
            return _write(graph, x, [(value, place)])
    if x.literal == 0 and _distinct(positions):
        # Each place is written once, so writing into zeros is the same as adding.
        return graph.scatter(value, positions, x.shape, loop.strides, index_strides)
    raise refuse("index_put into computed values at irregular positions")


def _distinct(positions: Sequence[View]) -> bool:
    arrays = [constant_array(view) for view in positions]
    if any(array is None for array in arrays):
        return False
    rows = np.stack([np.asarray(array).reshape(-1) for array in arrays], axis=1)
    return len(np.unique(rows, axis=0)) == len(rows)


def _write(graph: Graph, base: View, pieces: Sequence[tuple[View, View]]) -> View:
    """A copy of `base` with each value written at the place that a view of it names."""
    fill = base if base.literal is None else float(base.literal)
    places = [(value, place.offset, place.strides) for value, place in pieces]
    return graph.assemble(base.shape, fill, places)


def _blank(graph: Graph, shape: Sequence[int]) -> tuple[View, View]:
    """Zeros of a shape, and the row-major places in them."""
    zeros = graph.number(0.0).expand(shape)
    return zeros, View(zeros.node, tuple(shape), contiguous_strides(shape))


@rule(aten.select_backward.default)
def _select_backward(graph: Graph, grad: View, sizes: Sequence[int], dim: int, index: int) -> View:
    zeros, places = _blank(graph, sizes)
    return _write(graph, zeros, [(grad, take_index(graph, places, dim, index))])


@rule(aten.slice_backward.default)
def _slice_backward(
    graph: Graph, grad: View, sizes: Sequence[int], dim: int, start: int, end: int, step: int
) -> View:
    zeros, places = _blank(graph, sizes)
    return _write(graph, zeros, [(grad, take_slice(graph, places, dim, start, end, step))])


@rule(aten.select_scatter.default)
def _select_scatter(graph: Graph, x: View, source: View, dim: int, index: int) -> View:
    _, places = _blank(graph, x.shape)
    return _write(graph, x, [(source, take_index(graph, places, dim, index))])


@rule(aten.slice_scatter.default)
def _slice_scatter(
    graph: Graph, x: View, source: View, dim: int = 0, start: int | None = None,
    end: int | None = None, step: int = 1,
) -> View:
    _, places = _blank(graph, x.shape)
    place = take_slice(graph, places, dim, start, end, step)
    return _write(graph, x, [(source.expand(place.shape), place)])


@rule(aten.diagonal_scatter.default)
def _diagonal_scatter(
    graph: Graph, x: View, source: View, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> View:
    _, places = _blank(graph, x.shape)
    return _write(graph, x, [(source, diagonal(graph, places, offset, dim1, dim2))])


@rule(aten.diagonal_backward.default)
def _diagonal_backward(
    graph: Graph, grad: View, sizes: Sequence[int], offset: int, dim1: int, dim2: int
) -> View:
    zeros, places = _blank(graph, sizes)
    return _write(graph, zeros, [(grad, diagonal(graph, places, offset, dim1, dim2))])


@rule(aten.diag_embed.default)
def _diag_embed(
    graph: Graph, x: View, offset: int = 0, dim1: int = -2, dim2: int = -1
) -> View:
    size = x.shape[-1] + abs(offset)
    zeros, places = _blank(graph, (*x.shape[:-1], size, size))
    return _write(graph, zeros, [(x, diagonal(graph, places, offset, dim1, dim2))])


@rule(aten.cat.default)
def _cat(graph: Graph, views: Sequence[View], dim: int = 0) -> View:
    views = [view for view in views if view.shape != (0,)]
    at = dim % len(views[0].shape)
    shape = list(views[0].shape)
    shape[at] = sum(view.shape[at] for view in views)
    steps = contiguous_strides(shape)
    pieces, first = [], 0
    for view in views:
        pieces.append((view, first * steps[at], steps))
        first += view.shape[at]
    return graph.assemble(shape, 0.0, pieces)


@rule(aten.stack.default)
def _stack(graph: Graph, views: Sequence[View], dim: int = 0) -> View:
    at = dim % (len(views[0].shape) + 1)
    shape = [*views[0].shape[:at], len(views), *views[0].shape[at:]]
    steps = contiguous_strides(shape)
    rest = steps[:at] + steps[at + 1 :]
    return graph.assemble(shape, 0.0, [(v, i * steps[at], rest) for i, v in enumerate(views)])


@rule(aten.constant_pad_nd.default)
def _pad(graph: Graph, x: View, pad: Sequence[int], value: float = 0) -> View:
    rank = len(x.shape)
    before, after = [0] * rank, [0] * rank
    for i in range(len(pad) // 2):
        before[rank - 1 - i], after[rank - 1 - i] = pad[2 * i], pad[2 * i + 1]
    inner = x
    for d in range(rank):
        start = max(-before[d], 0)
        inner = take_slice(graph, inner, d, start, x.shape[d] - max(-after[d], 0))
    shape = [n + b + a for n, b, a in zip(x.shape, before, after, strict=True)]
    steps = contiguous_strides(shape)
    first = sum(max(b, 0) * step for b, step in zip(before, steps, strict=True))
    return graph.assemble(shape, float(value), [(inner, first, steps)])


def _triangle(keep: Any) -> Any:
    def lower(graph: Graph, x: View, k: int = 0) -> View:
        mask = keep(np.ones(x.shape[-2:], dtype=bool), k)
        views = (graph.constant(mask).expand(x.shape), x, graph.number(0.0).expand(x.shape))
        return graph.pointwise("({0}?{1}:{2})", views)

    return lower


rule(aten.tril.default)(_triangle(np.tril))
rule(aten.triu.default)(_triangle(np.triu))

