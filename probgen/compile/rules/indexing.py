"""Lowering of reading by tensors of positions or truths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from probgen.compile.ir import INT, LOGICAL, Graph, View
from probgen.compile.rules.registry import broadcast, refuse, rule

__all__ = [
    "constant_array",
    "extent",
    "gather_along",
    "indexed",
    "may_overlap",
    "positions",
    "progression",
    "stepped",
    "without_masks",
]

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


def positions(graph: Graph, index: View, size: int) -> View:
    """Index values with negative ones counted from the end.

    Computed ones are kept inside the tensor: what torch refuses with an IndexError must not
    read or write the memory of others (see `_inside`).
    """
    array = constant_array(index)
    if array is not None:
        return graph.constant(np.where(array < 0, array + size, array))
    template = f"probgen::position({{0}}<0?{{0}}+{size}:{{0}},{size})"
    return graph.pointwise(template, (index,), INT)


def _inside(graph: Graph, value: View, index: View, size: int) -> View:
    """NaN where a computed index lies outside of the tensor."""
    if index.node.kind == "constant":
        return value
    template = f"({{0}}>=-{size}&&{{0}}<{size}?{{1}}:NAN)"
    return graph.pointwise(template, broadcast(graph, (index, value)))


def progression(index: View) -> tuple[int, int] | None:
    """(first, step) when a constant index vector counts in equal steps."""
    array = constant_array(index)
    if array is None or array.ndim != 1 or array.size == 0:
        return None
    steps = np.unique(np.diff(array)) if array.size > 1 else np.zeros(1, int)
    return (int(array[0]), int(steps[0])) if steps.size == 1 else None


def without_masks(graph: Graph, x: View, indices: Sequence[View | None]) -> list[View | None]:
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


def indexed(graph: Graph, x: View, full: Sequence[View | None]) -> tuple:
    """(base view over the result, index views over it, strides of the indexed dimensions)."""
    dims = [d for d, index in enumerate(full) if index is not None]
    given = [index for index in full if index is not None]
    views = broadcast(
        graph, [positions(graph, i, x.shape[d]) for d, i in zip(dims, given, strict=True)]
    )
    core = views[0].shape
    adjacent = dims == list(range(dims[0], dims[0] + len(dims)))
    at = dims[0] if adjacent else 0
    rest = [d for d in range(len(x.shape)) if d not in dims]
    shape = [x.shape[d] for d in rest]
    strides = [x.strides[d] for d in rest]
    shape[at:at], strides[at:at] = core, [0] * len(core)
    wide = [_widen(v, shape, at) for v in views]
    return x.restride(shape, strides), wide, [x.strides[d] for d in dims]


def _widen(view: View, shape: Sequence[int], at: int) -> View:
    """An index seen over the whole result, where its own dimensions start at `at`."""
    after = len(shape) - at - len(view.shape)
    return view.restride(shape, [0] * at + list(view.strides) + [0] * after)


@rule(aten.index.Tensor)
def _index(graph: Graph, x: View, indices: Sequence[View | None]) -> View:
    full = without_masks(graph, x, indices)
    dims = [d for d, index in enumerate(full) if index is not None]
    first = full[dims[0]]
    if len(dims) == 1 and first is not None:
        position = positions(graph, first, x.shape[dims[0]])
        steps = progression(position)
        if steps is not None:
            return stepped(x, dims[0], position.shape[0], *steps)
    base, views, index_strides = indexed(graph, x, full)
    result = graph.gather(base, views, index_strides)
    at = dims[0] if dims == list(range(dims[0], dims[0] + len(dims))) else 0
    for dim, index in enumerate(full):
        if index is not None and index.node.kind != "constant":
            core = index.expand(np.broadcast_shapes(*(i.shape for i in full if i is not None)))
            result = _inside(graph, result, _widen(core, result.shape, at), x.shape[dim])
    return result


def stepped(x: View, dim: int, count: int, first: int, step: int) -> View:
    """x at first, first + step ... along `dim`, as a view."""
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
def gather_along(graph: Graph, x: View, dim: int, index: View, **_: Any) -> View:
    """The elements of `x` at positions along one dimension."""
    if not x.shape:
        return x.expand(index.shape)
    at = dim % len(x.shape)
    strides = [0 if d == at else stride for d, stride in enumerate(x.strides)]
    position = positions(graph, index, x.shape[at])
    read = graph.gather(x.restride(index.shape, strides), [position], [x.strides[at]])
    return _inside(graph, read, index, x.shape[at])


@rule(aten.as_strided.default)
def _as_strided(
    graph: Graph, x: View, size: Sequence[int], stride: Sequence[int], offset: int = 0
) -> View:
    # The recorder asks for strides of whole blocks of memory only: row-major vectors.
    return _behind(graph, x, View(x.node, tuple(size), tuple(stride), offset))


def _behind(graph: Graph, x: View, wanted: View) -> View:
    """What a view of the vector `x` reads, looked up in what was written there if possible."""
    while x.node.kind == "assemble" and x.whole:
        places, fill = x.node.attributes
        for value, (offset, strides) in reversed(list(zip(x.node.views, places, strict=False))):
            place = View(x.node, value.shape, strides, offset)
            if place == wanted:
                return value
            if may_overlap(place, wanted):
                return x.restride(wanted.shape, wanted.strides, wanted.offset)
        if fill is not None:
            return graph.number(fill).expand(wanted.shape)
        x = x.node.views[-1]
        wanted = View(x.node, wanted.shape, wanted.strides, wanted.offset)
    return graph.contiguous(x).restride(wanted.shape, wanted.strides, wanted.offset)


def may_overlap(a: View, b: View) -> bool:
    """Whether two places of a buffer may share an element."""
    (first, last), (start, end) = extent(a), extent(b)
    return first <= end and start <= last


def extent(place: View) -> tuple[int, int]:
    """The first and last position of a view with positive strides."""
    steps = zip(place.shape, place.strides, strict=True)
    return place.offset, place.offset + sum((size - 1) * stride for size, stride in steps)
