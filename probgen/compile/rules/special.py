"""Lowering of special functions that need loops of their own."""

from __future__ import annotations

import math
from typing import Any

import torch

from probgen.compile.ir import Graph, View
from probgen.compile.rules.registry import broadcast, rule

aten = torch.ops.aten


def _of_two(name: str) -> Any:
    def lower(graph: Graph, a: Any, b: Any) -> View:
        template = f"probgen::special::{name}(double({{0}}),double({{1}}))"
        return graph.pointwise(template, broadcast(graph, (a, b)))

    return lower


_zeta = rule(
    aten.special_zeta.default, aten.special_zeta.self_scalar, aten.special_zeta.other_scalar
)(_of_two("zeta"))
rule(aten.igamma.default)(_of_two("gammainc"))
rule(aten.igammac.default)(_of_two("gammaincc"))


@rule(aten.polygamma.default)
def _polygamma(graph: Graph, order: int, x: View) -> View:
    if order < 2:
        return graph.pointwise(f"probgen::{('digamma', 'trigamma')[order]}({{0}})", (x,))
    factor = math.factorial(order) * (1.0 if order % 2 else -1.0)
    sum_of_powers = _zeta(graph, float(order + 1), x)
    return graph.pointwise("({0}*{1})", broadcast(graph, (factor, sum_of_powers)))
