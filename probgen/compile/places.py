"""Where the nodes of a graph that is being rolled up are found in the new graph.

A node's buffer may have become a slice of a larger one: element e of the old buffer is element
`shift + scale * e` of the new.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from probgen.compile.families import assembled
from probgen.compile.ir import Graph, Node, View, contiguous_strides

__all__ = ["Place", "Places", "whole"]


@dataclass(frozen=True)
class Place:
    """Where the buffer of an old node lies in that of a new one."""

    node: Node
    scale: int = 1
    shift: int = 0


class Places:
    """The new graph, and the places of the old nodes in it.

    `nodes` are the old computations in order, `users` the positions of those that read each of
    them; an output reads from position len(nodes).
    """

    def __init__(self, leaves: Iterable[Node], nodes: Sequence[Node], outputs: Sequence[View]):
        self.graph = Graph()
        self.nodes = nodes
        self.positions = {node: position for position, node in enumerate(nodes)}
        self.users: list[set[int]] = [set() for _ in nodes]
        for position, node in enumerate(nodes):
            self._note_reader(position, node.views)
        self._note_reader(len(nodes), outputs)
        self._found: dict[Node, Place] = {}
        self._leaves(leaves)

    def _note_reader(self, reader: int, views: Sequence[View]) -> None:
        for view in views:
            if view.node in self.positions:
                self.users[self.positions[view.node]].add(reader)

    def _leaves(self, leaves: Iterable[Node]) -> None:
        """Constants as they are; all inputs as one vector, so that loops may run over it."""
        inputs = []
        for node in leaves:
            if node.kind == "input":
                inputs.append(node)
            else:
                self._found[node] = Place(self.graph.constant(node.attributes[0]).node)
        length = max((node.attributes[0] + node.size for node in inputs), default=0)
        vector = self.graph.input((length,), 0).node
        for node in inputs:
            self._found[node] = Place(vector, 1, node.attributes[0])

    def place(self, node: Node) -> Place:
        """Where an old node is found."""
        return self._found[node]

    def resolve(self, view: View) -> View:
        """A view of an old node as a view of the new graph."""
        place = self._found[view.node]
        strides = tuple(stride * place.scale for stride in view.strides)
        return View(place.node, view.shape, strides, place.shift + view.offset * place.scale)

    def put(self, node: Node, place: Place) -> None:
        """Note where an old node is found."""
        self._found[node] = place

    def forget(self, nodes: Iterable[Node]) -> None:
        """Take back `put`."""
        for node in nodes:
            self._found.pop(node, None)

    def fresh(
        self,
        kind: str,
        shape: Sequence[int],
        dtype: str,
        views: Sequence[View],
        attributes: tuple[Any, ...],
    ) -> Node:
        """A node of its own, even where the graph has an equal one."""
        node = Node(kind, tuple(shape), dtype, tuple(views), attributes, len(self.graph.nodes))
        self.graph.nodes.append(node)
        return node

    def copy(self, node: Node) -> None:
        """Compute an old node as it was."""
        views = [self.resolve(view) for view in node.views]
        attributes = node.attributes
        if node.kind == "assemble":
            self._copy_assembly(node, views)
            return
        if node.kind == "gather":
            attributes = (self.index_strides(node),)
        if node.kind not in ("pointwise", "gather", "reduce", "scatter", "scan"):
            views = [self.graph.contiguous(view) for view in views]
        new = self.graph._node(node.kind, node.shape, node.dtype, views, attributes)
        self.put(node, Place(new))

    def index_strides(self, gather: Node) -> tuple[int, ...]:
        """The strides of a gather's indices where its buffer is found now."""
        scale = self._found[gather.views[0].node].scale
        return tuple(stride * scale for stride in gather.attributes[0])

    def _copy_assembly(self, node: Node, views: Sequence[View]) -> None:
        spots, base = node.attributes
        pieces = [(v, *spot) for v, spot in zip(views, spots, strict=False)]
        ground = views[-1] if base is None else base
        self.put_view(node, assembled(self.graph, node.shape, ground, pieces))

    def put_view(self, node: Node, view: View) -> None:
        """Note that a view reads an old node's buffer, which is copied if it must be."""
        scale = _scale(view)
        if scale is None:
            view, scale = self.graph.contiguous(view), 1
        self.put(node, Place(view.node, scale, view.offset))


def whole(node: Node) -> View:
    """All of a node's buffer."""
    return View(node, node.shape, contiguous_strides(node.shape))


def _scale(view: View) -> int | None:
    """The distance between elements when `view` reads them in order, equally far apart."""
    steps = contiguous_strides(view.shape)
    ratios = {
        stride / step
        for stride, step, size in zip(view.strides, steps, view.shape, strict=True)
        if size > 1
    }
    if len(ratios) > 1:
        return None
    scale = ratios.pop() if ratios else 1.0
    return int(scale) if scale == int(scale) else None
