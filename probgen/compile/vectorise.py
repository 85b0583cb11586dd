"""Slots whose steps do not need each other: one node for all steps."""

from __future__ import annotations

from probgen.compile.ir import Node, View
from probgen.compile.places import Place
from probgen.compile.steps import Steps

__all__ = ["VECTORISED", "vectorise"]

VECTORISED = ("pointwise", "gather", "reduce", "scatter", "scan", "assemble")
_EITHER_WAY = ("pointwise", "gather", "reduce")


def vectorise(steps: Steps, slot: int) -> None:
    """Compute a slot for all steps by one node.

    The steps are the innermost dimension where they are the longest, since that is the one
    that becomes vector code.
    """
    node, count = steps.body[slot], steps.count
    domain = node.domain
    innermost = node.kind in _EITHER_WAY and count >= max(domain, default=0)
    graph = steps.places.graph
    attributes = node.attributes
    if node.kind == "assemble":
        new = _assembled(steps, slot)
    else:
        views = [_operand(steps, slot, position) for position in range(len(node.views))]
        if node.kind == "gather":
            attributes = (steps.places.index_strides(node),)
        elif node.kind == "reduce" and not innermost:
            operation, dims = attributes
            attributes = (operation, tuple(d + 1 for d in dims))
        elif node.kind == "scatter":
            loop_strides, index_strides = attributes
            attributes = ((node.size, *loop_strides), index_strides)
        if innermost:
            views = [view.permute([*range(1, len(view.shape)), 0]) for view in views]
        if node.kind != "scan":
            first = 1 if node.kind == "gather" else 0
            views = [*views[:first], *(graph._packed(view) for view in views[first:])]
        shape = (*node.shape, count) if innermost else (count, *node.shape)
        new = graph._node(node.kind, shape, node.dtype, views, attributes)
    if innermost:
        steps.put(slot, Place(new, count, 0), 1)
    else:
        steps.put(slot, Place(new, 1, 0), node.size)


def _operand(steps: Steps, slot: int, position: int) -> View:
    if steps.body[slot].kind == "gather" and position == 0:
        return steps.affine_family(slot, position)
    return steps.family(slot, position)


def _assembled(steps: Steps, slot: int) -> Node:
    node = steps.body[slot]
    spots, base = node.attributes
    views = [steps.family(slot, position) for position in range(len(node.views))]
    pieces = [
        (view, offset, (node.size, *strides))
        for view, (offset, strides) in zip(views, spots, strict=False)
    ]
    ground = views[-1] if base is None else base
    return steps.places.graph.assemble((steps.count, *node.shape), ground, pieces).node
