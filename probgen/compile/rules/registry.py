"""The table of lowering rules: one function per ATen operation.

A rule takes the `Graph` under construction, then the operation's own arguments with every
tensor replaced by a `View`, and returns a `View` (or a tuple of them). Write it in the file of
its family, decorate it with `@rule(overload, ...)`, and add a case to the tests, which compare
each rule with torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from probgen.compile.ir import Graph, View
from probgen.errors import UnsupportedOperation

__all__ = ["RULES", "as_view", "broadcast", "product", "refuse", "rule"]

RULES: dict[Any, Callable[..., Any]] = {}


def rule(*operations: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated function as the lowering of `operations`."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        for operation in operations:
            RULES[operation] = function
        return function

    return register


def refuse(reason: str) -> UnsupportedOperation:
    """The error of a rule that does not cover a form of its operation."""
    return UnsupportedOperation(reason)


def as_view(graph: Graph, value: Any) -> View:
    """A View as it is; a Python number as a scalar constant."""
    return value if isinstance(value, View) else graph.number(value)


def broadcast(graph: Graph, values: Sequence[Any]) -> list[View]:
    """Views of one common shape, by torch's broadcasting rules."""
    views = [as_view(graph, value) for value in values]
    if all(view.shape == views[0].shape for view in views):
        return views
    # torch's own function imports sympy, which takes most of a second
    shape = np.broadcast_shapes(*(view.shape for view in views))
    return [view.expand(shape) for view in views]


def product(graph: Graph, left: View, right: View) -> View:
    """Element-wise product of two views of one shape."""
    return graph.pointwise("({0}*{1})", (left, right))
