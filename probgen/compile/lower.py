"""ATen graph to loops: apply the rule of each operation, in order."""

from __future__ import annotations

import operator
from typing import Any

from probgen.compile.ir import Graph, View
from probgen.compile.rules import RULES
from probgen.compile.tape import Node, mapped
from probgen.compile.trace import TracedGraph
from probgen.errors import UnsupportedOperation

__all__ = ["lower"]


def lower(traced: TracedGraph) -> dict[str, View]:
    """Every output of a traced function as a view of the intermediate form, by name.

    Raises `UnsupportedOperation` naming the first operation without a rule.
    """
    return _Lowering(traced).run()


class _Lowering:
    def __init__(self, traced: TracedGraph) -> None:
        self.traced = traced
        self.graph = Graph()
        self.views: dict[Node, Any] = {}

    def run(self) -> dict[str, View]:
        offset = 0
        for node in self.traced.inputs:
            example = node.example
            self.views[node] = self.graph.input(tuple(example.shape), offset)
            offset += example.numel()
        for node in self.traced.graph.nodes:
            if node.op == "call_function":
                self.views[node] = self._call(node)
        return {name: self._value(node) for name, node in self.traced.outputs.items()}

    def _call(self, node: Node) -> Any:
        if node.target is operator.getitem:
            source, index = node.args
            return self._value(source)[index]
        lowering = RULES.get(node.target)
        if lowering is None:
            raise UnsupportedOperation(
                f"{node.where}needs {node.target}, which has no lowering rule"
            )
        arguments = mapped(node.args, self._value)
        options = mapped(node.kwargs, self._value)
        try:
            return lowering(self.graph, *arguments, **options)
        except UnsupportedOperation:
            raise
        except Exception as error:
            raise UnsupportedOperation(
                f"the lowering rule for {node.target} does not cover this form: {error}"
            ) from error

    def _value(self, node: Any) -> Any:
        if node not in self.views:
            self.views[node] = self._constant(node)
        return self.views[node]

    def _constant(self, node: Node) -> View:
        value = self.traced.constants[node]
        if value.is_complex():
            raise UnsupportedOperation(f"{node.target}: complex numbers")
        if not value.numel():
            return self.graph.number(0.0).expand(tuple(value.shape))
        return self.graph.constant(value.cpu().numpy())
