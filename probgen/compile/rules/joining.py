"""Lowering of joining tensors: every piece is written into its part of one buffer."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from probgen.compile.ir import DOUBLE, Graph, View, contiguous_strides
from probgen.compile.rules.registry import rule
from probgen.compile.rules.views import take_slice

aten = torch.ops.aten


def _alike(graph: Graph, views: Sequence[View]) -> list[View]:
    """Views of one type: integers beside real numbers become real."""
    mixed = len({view.dtype for view in views}) > 1
    return [
        graph.pointwise("double({0})", (view,)) if mixed and view.dtype != DOUBLE else view
        for view in views
    ]


@rule(aten.cat.default)
def _cat(graph: Graph, views: Sequence[View], dim: int = 0) -> View:
    views = _alike(graph, [view for view in views if view.shape != (0,)])
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
    views = _alike(graph, views)
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
