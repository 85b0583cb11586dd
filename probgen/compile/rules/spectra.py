"""Lowering of eigenvalues, singular values, orthogonal factors and matrix exponentials.

They run in plain loops, which is fast for the matrices that programs have; large ones are
refused, since LAPACK under the program itself is faster. The sign of a vector is arbitrary and
may differ from torch's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from probgen.compile.ir import Graph, View, contiguous_strides
from probgen.compile.rules.linear_algebra import _adjoint
from probgen.compile.rules.pointwise import where
from probgen.compile.rules.registry import refuse, rule
from probgen.compile.rules.views import take_index, take_slice

aten = torch.ops.aten
_LARGEST = 128


def _call(graph: Graph, name: str, x: View, shape: Sequence[int], sizes: Sequence[int]) -> View:
    if max(x.shape[-2:]) > _LARGEST:
        raise refuse(f"the {name} of a matrix larger than {_LARGEST}")
    extra = (math.prod(x.shape[:-2]), *sizes)
    return graph.call(f"probgen::spectra::{name}", (*x.shape[:-2], *shape), [x], extra)


def _nothing(graph: Graph) -> View:
    return graph.number(0.0).expand((0,))


@rule(aten._linalg_eigh.default)
def _eigh(graph: Graph, x: View, uplo: str = "L", compute_v: bool = True) -> tuple[View, View]:
    n = x.shape[-1]
    packed = _call(graph, "eigh", x if uplo == "L" else _adjoint(x), (n + 1, n), (n,))
    rows = len(x.shape) - 2
    return take_index(graph, packed, rows, 0), take_slice(graph, packed, rows, 1, n + 1)


@rule(aten._linalg_svd.default)
def _svd(
    graph: Graph,
    x: View,
    full_matrices: bool = False,
    compute_uv: bool = True,
    *,
    driver: str | None = None,
) -> tuple[View, View, View]:
    m, n = x.shape[-2:]
    if full_matrices and m != n:
        raise refuse("singular vectors beyond the rank (full_matrices=True)")
    if m < n:
        left, values, right = _svd(graph, _adjoint(x))
        return _adjoint(right), values, _adjoint(left)
    packed = _call(graph, "svd", x, (m + 1 + n, n), (m, n))
    rows = len(x.shape) - 2
    left, right = (take_slice(graph, packed, rows, *e) for e in ((0, m), (m + 1, m + 1 + n)))
    return left, take_index(graph, packed, rows, m), _adjoint(right)


@rule(aten.linalg_qr.default)
def _qr(graph: Graph, x: View, mode: str = "reduced") -> tuple[View, View]:
    m, n = x.shape[-2:]
    k = min(m, n)
    if mode == "complete" and m > n:
        raise refuse("the complete orthogonal factor of a tall matrix")
    packed = _call(graph, "qr", x, (m * k + k * n,), (m, n))
    q, r = _part(packed, 0, (m, k)), _part(packed, m * k, (k, n))
    return (_nothing(graph) if mode == "r" else q), r


def _part(packed: View, first: int, shape: tuple[int, int]) -> View:
    """A matrix that is a stretch of the last dimension."""
    strides = (*packed.strides[:-1], *contiguous_strides(shape))
    return packed.restride((*packed.shape[:-1], *shape), strides, packed.offset + first)


@rule(aten.linalg_matrix_exp.default)
def _exponential(graph: Graph, x: View) -> View:
    return _call(graph, "exponential", x, x.shape[-2:], (x.shape[-1],))


@rule(aten.lu_unpack.default)
def _lu_unpack(
    graph: Graph, factors: View, pivots: View, unpack_data: bool = True, unpack_pivots: bool = True
) -> tuple[View, View, View]:
    if factors.shape[-1] != factors.shape[-2]:
        raise refuse("the triangular factors of a matrix that is not square")
    n = factors.shape[-1]
    extra = (math.prod(factors.shape[:-2]), n)
    moved = graph.call("probgen::spectra::permutation", factors.shape, [pivots], extra)
    return moved, *_triangles(graph, factors)


def _triangles(graph: Graph, factors: View) -> tuple[View, View]:
    """The unit lower and the upper triangle of packed factors."""
    n = factors.shape[-1]
    below = graph.constant(np.tri(n, k=-1, dtype=bool))
    unit = graph.constant(np.eye(n))
    lower = where(graph, below, factors, unit)
    return lower, where(graph, below, 0.0, factors)
