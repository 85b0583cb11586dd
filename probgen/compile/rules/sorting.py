"""Lowering of sorting: the order is computed once, values are gathered by it.

Derivatives then follow the places of the numbers, as in torch. Which of equal numbers comes
first may differ from torch, where it does not matter to the values.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from probgen.compile.ir import DOUBLE, INT, Graph, View
from probgen.compile.rules.indexing import gather_along
from probgen.compile.rules.registry import RULES, rule
from probgen.compile.rules.scans import along
from probgen.compile.rules.views import _squeeze, reshape, take_slice

aten = torch.ops.aten


def _real(graph: Graph, x: View) -> View:
    return x if x.dtype == DOUBLE else graph.pointwise("double({0})", (x,))


def _called(graph: Graph, function: str, x: View, dim: int, option: int) -> View:
    """Places along `dim` that a function of the run-time header gives for every row."""

    def apply(view: View) -> View:
        extra = (math.prod(view.shape[:-1]), view.shape[-1], option)
        places = graph.call(f"probgen::sorting::{function}", view.shape, [view], extra)
        return graph.pointwise("int({0})", (places,), INT)

    if not x.shape or 0 in x.shape:
        return graph.number(0).expand(x.shape)
    return along(dim, [_real(graph, x)], apply)


def _at(graph: Graph, x: View, dim: int, places: View) -> tuple[View, View]:
    return gather_along(graph, x, dim, places), places


@rule(aten.sort.default, aten.sort.stable)
def _sort(
    graph: Graph, x: View, dim: int = -1, descending: bool = False, *, stable: bool | None = None
) -> tuple[View, View]:
    return _at(graph, x, dim, _called(graph, "order", x, dim, int(descending)))


@rule(aten.topk.default)
def _topk(
    graph: Graph, x: View, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> tuple[View, View]:
    if not x.shape:
        return x, graph.number(0)
    order = _called(graph, "order", x, dim, int(largest))
    return _at(graph, x, dim, take_slice(graph, order, dim, 0, k))


def _ranked(graph: Graph, x: View, rank: int, dim: int, keepdim: bool) -> tuple[View, View]:
    """The number of a rank along `dim`, counted from the smallest, and its place."""
    if not x.shape:
        return x, graph.number(0)
    order = _called(graph, "order", x, dim, 0)
    value, place = _at(graph, x, dim, take_slice(graph, order, dim, rank, rank + 1))
    if keepdim:
        return value, place
    return _squeeze(graph, value, dim), _squeeze(graph, place, dim)


@rule(aten.kthvalue.default)
def _kthvalue(
    graph: Graph, x: View, k: int, dim: int = -1, keepdim: bool = False
) -> tuple[View, View]:
    return _ranked(graph, x, k - 1, dim, keepdim)


@rule(aten.median.dim)
def _median_along(graph: Graph, x: View, dim: int, keepdim: bool = False) -> tuple[View, View]:
    return _ranked(graph, x, (x.shape[dim] - 1) // 2 if x.shape else 0, dim, keepdim)


@rule(aten.median.default)
def _median(graph: Graph, x: View) -> View:
    return _median_along(graph, reshape(graph, x, [-1]), 0)[0]


def _running(sign: int) -> Any:
    def lower(graph: Graph, x: View, dim: int) -> tuple[View, View]:
        if not x.shape:
            return x, graph.number(0)
        return _at(graph, x, dim, _called(graph, "extreme_so_far", x, dim, sign))

    return lower


RULES[aten.cummax.default] = _running(1)
RULES[aten.cummin.default] = _running(-1)
