"""Lowering of operations that only rearrange: all become strided views of the same buffer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from probgen.compile.ir import DOUBLE, INT, LOGICAL, Graph, View, contiguous_strides
from probgen.compile.rules.registry import refuse, rule

aten = torch.ops.aten


@rule(aten.clone.default)
def _same(graph: Graph, x: View, **_: Any) -> View:
    return x


@rule(aten._to_copy.default)
def _to_copy(graph: Graph, x: View, dtype: torch.dtype | None = None, **_: Any) -> View:
    return x if dtype is None else _convert(graph, x, dtype)


def _convert(graph: Graph, x: View, dtype: torch.dtype) -> View:
    if dtype == torch.bool:
        return x if x.dtype == LOGICAL else graph.pointwise("({0}!=0)", (x,), LOGICAL)
    if dtype == torch.float64:
        return x if x.dtype == DOUBLE else graph.pointwise("double({0})", (x,))
    if dtype.is_floating_point:
        raise refuse(f"a conversion to {dtype} inside the density")
    return x if x.dtype == INT else graph.pointwise("int({0})", (x,), INT)


@rule(aten.view.default, aten.reshape.default, aten._unsafe_view.default)
def reshape(graph: Graph, x: View, shape: Sequence[int]) -> View:
    """Another shape on the same elements; a copy only where strides cannot express it."""
    known = 1
    for size in shape:
        known *= size if size != -1 else 1
    total = 1
    for size in x.shape:
        total *= size
    target = tuple(total // known if size == -1 else size for size in shape)
    if min(x.strides, default=0) >= 0:
        try:
            meta = torch.empty_strided(x.shape, x.strides, device="meta").view(target)
            return x.restride(target, meta.stride())
        except RuntimeError:
            pass
    return graph.contiguous(x).restride(target, contiguous_strides(target))


@rule(aten.expand.default)
def _expand(graph: Graph, x: View, shape: Sequence[int], implicit: bool = False) -> View:
    lead = len(shape) - len(x.shape)
    target = [size if size != -1 else x.shape[i - lead] for i, size in enumerate(shape)]
    return x.expand(target)


@rule(aten.permute.default)
def _permute(graph: Graph, x: View, dims: Sequence[int]) -> View:
    return x.permute([d % len(x.shape) for d in dims])


@rule(aten.transpose.int)
def _transpose(graph: Graph, x: View, a: int, b: int) -> View:
    order = list(range(len(x.shape)))
    order[a], order[b] = order[b], order[a]
    return x.permute(order)


@rule(aten.t.default)
def _t(graph: Graph, x: View) -> View:
    return x.permute(list(range(len(x.shape)))[::-1])


@rule(aten.unsqueeze.default)
def _unsqueeze(graph: Graph, x: View, dim: int) -> View:
    at = dim % (len(x.shape) + 1)
    return x.restride((*x.shape[:at], 1, *x.shape[at:]), (*x.strides[:at], 0, *x.strides[at:]))


@rule(aten.squeeze.default, aten.squeeze.dim, aten.squeeze.dims)
def _squeeze(graph: Graph, x: View, dims: Any = None) -> View:
    chosen = range(len(x.shape)) if dims is None else [dims] if isinstance(dims, int) else dims
    out = {d % max(len(x.shape), 1) for d in chosen}
    kept = [d for d in range(len(x.shape)) if not (d in out and x.shape[d] == 1)]
    return x.permute(kept)


@rule(aten.slice.Tensor)
def take_slice(
    graph: Graph,
    x: View,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
) -> View:
    """x[..., start:end:step, ...] as a view."""
    at = dim % len(x.shape)
    first, last, stride = slice(start, end, step).indices(x.shape[at])
    shape, strides = list(x.shape), list(x.strides)
    shape[at] = len(range(first, last, stride))
    strides[at] *= stride
    return x.restride(shape, strides, x.offset + first * x.strides[at])


@rule(aten.select.int)
def take_index(graph: Graph, x: View, dim: int, index: int) -> View:
    """x[..., index, ...] as a view."""
    at = dim % len(x.shape)
    kept = [d for d in range(len(x.shape)) if d != at]
    offset = x.offset + (index % x.shape[at]) * x.strides[at]
    return x.restride([x.shape[d] for d in kept], [x.strides[d] for d in kept], offset)


@rule(aten.unbind.int)
def _unbind(graph: Graph, x: View, dim: int = 0) -> tuple[View, ...]:
    return tuple(take_index(graph, x, dim, i) for i in range(x.shape[dim]))


@rule(aten.split_with_sizes.default)
def _split_sizes(graph: Graph, x: View, sizes: Sequence[int], dim: int = 0) -> tuple[View, ...]:
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return tuple(
        take_slice(graph, x, dim, end - size, end) for size, end in zip(sizes, ends, strict=True)
    )


@rule(aten.split.Tensor)
def _split(graph: Graph, x: View, size: int, dim: int = 0) -> tuple[View, ...]:
    length = x.shape[dim]
    return tuple(take_slice(graph, x, dim, i, i + size) for i in range(0, length, size))


@rule(aten.flip.default)
def _flip(graph: Graph, x: View, dims: Sequence[int]) -> View:
    strides, offset = list(x.strides), x.offset
    for dim in dims:
        offset += (x.shape[dim] - 1) * strides[dim]
        strides[dim] = -strides[dim]
    return x.restride(x.shape, strides, offset)


@rule(aten.diagonal.default)
def diagonal(graph: Graph, x: View, offset: int = 0, dim1: int = 0, dim2: int = 1) -> View:
    """The diagonal of two dimensions as a new last dimension."""
    rank = len(x.shape)
    a, b = dim1 % rank, dim2 % rank
    rest = [d for d in range(rank) if d not in (a, b)]
    rows, columns = x.shape[a] + min(offset, 0), x.shape[b] - max(offset, 0)
    start = x.offset + max(-offset, 0) * x.strides[a] + max(offset, 0) * x.strides[b]
    return x.restride(
        [*(x.shape[d] for d in rest), max(min(rows, columns), 0)],
        [*(x.strides[d] for d in rest), x.strides[a] + x.strides[b]],
        start,
    )
