"""The recorded operations of a torch program: a graph as light as it can be.

Programs with loops over time are recorded as hundreds of thousands of nodes. These have no
names, code or lists of their readers, which torch.fx's pay for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

__all__ = ["Node", "Tape", "inputs_of", "mapped"]


class Node:
    """One operation, input or constant.

    `op` is "placeholder" (an input), "get_attr" (a constant) or "call_function"; `target` is the
    operation, or the name of what is none. `args` and `kwargs` hold nodes in place of tensors.
    """

    __slots__ = ("args", "example", "kwargs", "op", "target", "where")

    def __init__(self, op: str, target: Any, args: tuple, kwargs: Mapping[str, Any]) -> None:
        self.op = op
        self.target = target
        self.args = args
        self.kwargs = kwargs
        self.where = ""  # in the user's program, as the start of a sentence
        self.example: Any = None  # the tensor that an input was traced with

    def __repr__(self) -> str:
        return f"{self.op} {self.target}"


class Tape:
    """Nodes in the order of their recording."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    def placeholder(self, name: str) -> Node:
        """An input."""
        return self._append(Node("placeholder", name, (), {}))

    def get_attr(self, name: str) -> Node:
        """A constant."""
        return self._append(Node("get_attr", name, (), {}))

    def call_function(
        self, target: Callable[..., Any], args: tuple = (), kwargs: Mapping[str, Any] | None = None
    ) -> Node:
        """An operation on nodes, in tuples or alone, and what are no tensors."""
        return self._append(Node("call_function", target, args, kwargs or {}))

    def keep(self, wanted: Collection[Node]) -> None:
        """Drop what is neither among `wanted` nor needed by these."""
        kept = set(wanted)
        for node in reversed(self.nodes):
            if node in kept:
                kept.update(inputs_of(node))
        self.nodes = [node for node in self.nodes if node in kept]

    def _append(self, node: Node) -> Node:
        self.nodes.append(node)
        return node


def inputs_of(node: Node) -> list[Node]:
    """The nodes that a node reads, some perhaps more than once."""
    found: list[Node] = []
    _collect(node.args, found)
    if node.kwargs:
        _collect(node.kwargs, found)
    return found


def mapped(value: Any, function: Callable[[Node], Any]) -> Any:
    """Arguments of a node with `function` of every node in the node's place."""
    kind = type(value)
    if kind is Node:
        return function(value)
    if kind is tuple:
        return tuple([mapped(item, function) for item in value])
    if kind is dict:
        return {key: mapped(item, function) for key, item in value.items()}
    return value


def _collect(value: Any, found: list[Node]) -> None:
    kind = type(value)
    if kind is Node:
        found.append(value)
    elif kind is tuple:
        for item in value:
            _collect(item, found)
    elif kind is dict:
        for item in value.values():
            _collect(item, found)
