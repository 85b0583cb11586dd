"""Lowering of running sums, products and logarithms of sums, along any dimension."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from probgen.compile.ir import DOUBLE, Graph, View
from probgen.compile.operations import CUMPROD_BACKWARD
from probgen.compile.rules.registry import RULES, rule

aten = torch.ops.aten


def along(dim: int, views: Sequence[View], apply: Callable[..., View]) -> View:
    """`apply` to views whose dimension `dim` is made the last one."""
    rank = len(views[0].shape)
    if not rank:
        return views[0]
    order = [*(d for d in range(rank) if d != dim % rank), dim % rank]
    back = [order.index(d) for d in range(rank)]
    return apply(*(view.permute(order) for view in views)).permute(back)


def _rows(view: View) -> tuple[int, int]:
    return math.prod(view.shape[:-1]), view.shape[-1]


def _scan(operation: str) -> Any:
    def lower(graph: Graph, x: View, dim: int, **_: Any) -> View:
        real = x if x.dtype == DOUBLE else graph.pointwise("double({0})", (x,))
        return along(dim, [real], lambda view: graph.scan(operation, view))

    return lower


RULES[aten.cumsum.default] = _scan("sum")
RULES[aten.cumprod.default] = _scan("prod")


@rule(aten.logcumsumexp.default)
def _logcumsumexp(graph: Graph, x: View, dim: int) -> View:
    def apply(view: View) -> View:
        return graph.call("probgen::logcumsumexp", view.shape, [view], _rows(view))

    return along(dim, [x], apply)


@rule(CUMPROD_BACKWARD)
def _cumprod_backward(graph: Graph, grad: View, x: View, dim: int) -> View:
    def apply(weight: View, view: View) -> View:
        return graph.call("probgen::cumprod_backward", view.shape, [weight, view], _rows(view))

    return along(dim, [grad.expand(x.shape), x], apply)
