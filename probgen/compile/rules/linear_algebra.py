"""Lowering of factorisations and triangular solves: calls into the run-time header.

A matrix that is not positive definite gives NaN, which a sampler counts as a divergence.
"""

from __future__ import annotations

import math

import torch

from probgen.compile.ir import Graph, View
from probgen.compile.rules.registry import rule
from probgen.compile.rules.views import _transpose

aten = torch.ops.aten


@rule(aten.linalg_cholesky_ex.default)
def _cholesky(
    graph: Graph, a: View, upper: bool = False, check_errors: bool = False
) -> tuple[View, View]:
    n = a.shape[-1]
    factor = graph.call("probgen::cholesky", a.shape, [a], (math.prod(a.shape[:-2]), n))
    result = _transpose(graph, factor, len(a.shape) - 2, len(a.shape) - 1) if upper else factor
    return result, graph.number(0)


@rule(aten.cholesky.default)
def _old_cholesky(graph: Graph, a: View, upper: bool = False) -> View:
    return _cholesky(graph, a, upper)[0]


@rule(aten.linalg_solve_triangular.default)
def _solve(
    graph: Graph, a: View, b: View, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> View:
    lead = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = a.expand((*lead, *a.shape[-2:])), b.expand((*lead, *b.shape[-2:]))
    if not left:
        # x a = b is aᵀ xᵀ = bᵀ
        last = len(b.shape) - 1
        flipped = _solve(
            graph, _transpose(graph, a, last - 1, last), _transpose(graph, b, last - 1, last),
            upper=not upper, unitriangular=unitriangular,
        )
        return _transpose(graph, flipped, last - 1, last)
    n, m = b.shape[-2:]
    extra = (math.prod(lead), n, m, int(upper), int(unitriangular))
    return graph.call("probgen::solve_triangular", b.shape, [a, b], extra)


@rule(aten.triangular_solve.default)
def _triangular_solve(
    graph: Graph, b: View, a: View, upper: bool = True, transpose: bool = False,
    unitriangular: bool = False,
) -> tuple[View, View]:
    last = len(a.shape) - 1
    matrix = _transpose(graph, a, last - 1, last) if transpose else a
    high = upper != transpose
    return _solve(graph, matrix, b, upper=high, unitriangular=unitriangular), a

