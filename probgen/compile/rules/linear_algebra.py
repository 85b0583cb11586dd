"""Lowering of factorisations and linear systems: calls into the run-time header.

A matrix that is singular or not positive definite gives NaN or infinity, which a sampler counts
as a divergence.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from probgen.compile import blas
from probgen.compile.cholesky import CHOLESKY_BACKWARD
from probgen.compile.ir import Graph, View
from probgen.compile.rules.registry import rule
from probgen.compile.rules.views import _squeeze, _unsqueeze, take_index, take_slice

aten = torch.ops.aten


def _adjoint(x: View) -> View:
    rank = len(x.shape)
    return x.permute([*range(rank - 2), rank - 1, rank - 2])


def _together(*views: View) -> tuple[tuple[int, ...], list[View]]:
    """Matrices broadcast to common leading dimensions, and these dimensions."""
    lead = np.broadcast_shapes(*(view.shape[:-2] for view in views))
    return lead, [view.expand((*lead, *view.shape[-2:])) for view in views]


def _identity(graph: Graph, like: View) -> View:
    return graph.constant(np.eye(like.shape[-1])).expand(like.shape)


# --- Cholesky factors ------------------------------------------------------------------------


@rule(aten.linalg_cholesky_ex.default)
def _cholesky(
    graph: Graph, a: View, upper: bool = False, check_errors: bool = False
) -> tuple[View, View]:
    factor = blas.cholesky(graph, a)
    if factor is None:
        extra = (math.prod(a.shape[:-2]), a.shape[-1])
        factor = graph.call("probgen::cholesky", a.shape, [a], extra)
    return _adjoint(factor) if upper else factor, graph.number(0)


@rule(CHOLESKY_BACKWARD)
def _cholesky_backward(graph: Graph, grad: View, factor: View) -> View:
    grad = grad.expand(factor.shape)
    by_blocks = blas.cholesky_backward(graph, grad, factor)
    if by_blocks is not None:
        return by_blocks
    extra = (math.prod(factor.shape[:-2]), factor.shape[-1])
    name = "probgen::factors::cholesky_backward"
    return graph.call(name, factor.shape, [grad, factor], extra)


@rule(aten.linalg_solve_triangular.default)
def _solve_triangular(
    graph: Graph, a: View, b: View, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> View:
    lead, (a, b) = _together(a, b)
    if not left:
        # x a = b is aᵀ xᵀ = bᵀ
        flipped = _solve_triangular(
            graph, _adjoint(a), _adjoint(b), upper=not upper, unitriangular=unitriangular
        )
        return _adjoint(flipped)
    solution = blas.solve_triangular(graph, a, b, upper, unitriangular)
    if solution is not None:
        return solution
    extra = (math.prod(lead), *b.shape[-2:], int(upper), int(unitriangular))
    return graph.call("probgen::solve_triangular", b.shape, [a, b], extra)


@rule(aten.triangular_solve.default)
def _triangular_solve(
    graph: Graph,
    b: View,
    a: View,
    upper: bool = True,
    transpose: bool = False,
    unitriangular: bool = False,
) -> tuple[View, View]:
    matrix = _adjoint(a) if transpose else a
    solution = _solve_triangular(
        graph, matrix, b, upper=upper != transpose, unitriangular=unitriangular
    )
    return solution, a


@rule(aten.cholesky_solve.default)
def _cholesky_solve(graph: Graph, b: View, factor: View, upper: bool = False) -> View:
    lower = _adjoint(factor) if upper else factor
    half = _solve_triangular(graph, lower, b, upper=False)
    return _solve_triangular(graph, _adjoint(lower), half, upper=True)


@rule(aten.cholesky_inverse.default)
def _cholesky_inverse(graph: Graph, factor: View, upper: bool = False) -> View:
    return _cholesky_solve(graph, _identity(graph, factor), factor, upper)


# --- general matrices ------------------------------------------------------------------------


def _factors(graph: Graph, a: View) -> tuple[View, View]:
    """The two triangular factors in one matrix, and the pivots."""
    n = a.shape[-1]
    packed = graph.call(
        "probgen::lu", (*a.shape[:-2], n + 1, n), [a], (math.prod(a.shape[:-2]), n)
    )
    rows = len(packed.shape) - 2
    return take_slice(graph, packed, rows, 0, n), take_index(graph, packed, rows, n)


@rule(aten.linalg_lu_factor_ex.default)
def _lu_factor(
    graph: Graph, a: View, pivot: bool = True, check_errors: bool = False
) -> tuple[View, View, View]:
    return (*_factors(graph, a), graph.number(0))


@rule(aten.linalg_lu_solve.default)
def _lu_solve(
    graph: Graph, factors: View, pivots: View, b: View, *, left: bool = True, adjoint: bool = False
) -> View:
    if not left:
        return _adjoint(_lu_solve(graph, factors, pivots, _adjoint(b), adjoint=not adjoint))
    lead, (factors, b) = _together(factors, b)
    pivots = pivots.expand((*lead, pivots.shape[-1]))
    extra = (math.prod(lead), *b.shape[-2:], int(adjoint))
    return graph.call("probgen::lu_solve", b.shape, [factors, pivots, b], extra)


@rule(aten._linalg_solve_ex.default)
def _solve(
    graph: Graph, a: View, b: View, *, left: bool = True, check_errors: bool = False
) -> tuple[View, ...]:
    factors, pivots = _factors(graph, a)
    vector = len(b.shape) == 1 or b.shape == a.shape[:-1]
    right = _unsqueeze(graph, b, -1) if vector else b
    x = _lu_solve(graph, factors, pivots, right, left=left)
    return _squeeze(graph, x, -1) if vector else x, factors, pivots, graph.number(0)


@rule(aten.linalg_inv_ex.default)
def _inverse(graph: Graph, a: View, check_errors: bool = False) -> tuple[View, View]:
    return _lu_solve(graph, *_factors(graph, a), _identity(graph, a)), graph.number(0)
