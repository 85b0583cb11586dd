"""Indexing, writing in place and linear algebra that the compiler must reproduce."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tests.compile.compiled import case

f64 = torch.float64
V, M, SQ, T3 = (5,), (3, 4), (4, 4), (2, 3, 4)
INDEX = torch.tensor([2, 0, 4, 2, 2])
MASK = torch.tensor([True, False, True, True, False])
ROWS = torch.tensor([0, 2, 1, 0])
DATA = torch.linspace(-1.5, 2.5, 5, dtype=f64)
EYE = torch.eye(4, dtype=f64)


INDEXING = [
    case("index", lambda a: (a[INDEX], a[INDEX, :], a[[0, 2]], a[torch.tensor(1)]), (5, 3)),
    case("index of columns", lambda a: (a[:, ROWS[:3]], a[:, [3, 1]]), M),
    case("index pairs", lambda a: (a[ROWS[:3], [0, 1, 3]], a[[[0], [1]], [1, 2]]), M),
    case("index with a gap", lambda a: a[[0, 1], :, [2, 3]], T3),
    case("index negative", lambda a: (a[[-1, 0, -2]], a[-1]), V),
    case(
        "index steps",
        lambda a: (
            a[torch.arange(0, 5, 2)],
            a[torch.arange(4, -1, -1)],
            a[torch.tensor([1, 1, 1])],
        ),
        V,
    ),
    case("index of a step down", lambda a: a.flip(0)[torch.arange(4, -1, -2)].exp(), V),
    case("index by a mask", lambda a: (a[MASK], a[MASK].sum(), a[~MASK]), V),
    case("index by a matrix mask", lambda a: a[torch.eye(4) > 0], SQ),
    case("masked_select", lambda a: a.masked_select(MASK), V),
    case("index_select", lambda a: (a.index_select(0, ROWS), a.index_select(1, ROWS)), M),
    case("take", lambda a: (a.take(torch.tensor([0, 5, 2])), a.take_along_dim(ROWS[None], 1)), M),
    case(
        "gather",
        lambda a: (
            a.gather(0, torch.tensor([[0, 2, 1, 0]])),
            a.gather(1, torch.tensor([[0], [3], [3]])),
        ),
        M,
    ),
    case("gather batched", lambda a: a.gather(2, torch.tensor([[[0, 3]] * 3] * 2)), T3),
    case("embedding", lambda a: F.embedding(INDEX, a), (5, 2)),
    case(
        "scatter_add",
        lambda a, b: (
            a.scatter_add(0, INDEX, b),
            a.index_add(0, INDEX, b),
            a.index_add(0, INDEX, b, alpha=2),
            a.scatter_add(0, INDEX[:3], b[:3]),
        ),
        V,
        V,
    ),
    case("scatter_add of a matrix", lambda a, b: a.scatter_add(1, ROWS.expand(3, 4), b), M, M),
    case(
        "scatter",
        lambda a, b: (
            a.scatter(0, torch.tensor([3, 1]), b[:2]),
            a.scatter(0, torch.tensor([3, 1]), 7.0),
        ),
        V,
        V,
    ),
    case(
        "index_put",
        lambda a, b: (
            a.index_put((torch.tensor([3, 1]),), b[:2]),
            a.index_put((INDEX,), b, accumulate=True),
            a.index_put((torch.tensor([3, 1]),), torch.tensor(2.0, dtype=f64)),
        ),
        V,
        V,
    ),
    case(
        "index_copy",
        lambda a, b: (
            a.index_copy(0, torch.tensor([3, 1]), b[:2]),
            a.index_fill(0, torch.tensor([3, 1]), 2.0),
        ),
        V,
        V,
    ),
    case(
        "select_scatter",
        lambda a, b: (
            a.select_scatter(b[0], 0, 1),
            a.slice_scatter(b[:1], 0, 1, 2),
            a.diagonal_scatter(b[0, :3]),
        ),
        M,
        M,
    ),
    case("index by values", lambda a, b: a[(b.abs() * 2).long()], V, (7,)),
    case("gather by values", lambda a, b: a.gather(0, (b.abs() * 2).long()), V, (7,)),
    case("bucketize", lambda a: DATA.exp()[torch.bucketize(a.clamp(-1.4, 2.4), DATA)], (7,)),
    case("searchsorted", lambda a: torch.searchsorted(DATA, a), (7,)),
    case("one_hot", lambda a: F.one_hot(ROWS, 3) * a[:, None], (4,)),
    case("group sums", lambda a: torch.zeros(3, dtype=f64).index_add(0, ROWS, a), (4,)),
    case(
        "segment_reduce",
        lambda a: torch.zeros(3, dtype=f64).scatter_reduce(0, ROWS, a, "sum"),
        (4,),
    ),
    case("vec to tril", lambda a: _tril(a, 3), (6,)),
    case(
        "tril to vec",
        lambda a: a[torch.tril_indices(3, 3)[0], torch.tril_indices(3, 3)[1]],
        (3, 3),
    ),
    case("index of a flip", lambda a: (a.flip(0)[INDEX], a[:, ::2].flip(1)[[0, 2]]), (5, 4)),
    case("index of an expanded", lambda a: a.expand(4, 3)[ROWS], (1, 3)),
    case("index of size one", lambda a: a[:, [0, 0, 0]], (3, 1)),
    case("gather of negatives in data", lambda a: a[torch.tensor([-1, -5, 2])], V),
    case("mixture of views", lambda a: a[:, ROWS].T[1:].flip(0).reshape(-1)[::3], M),
]


def _tril(a, n):
    matrix = a.new_zeros(n, n)
    rows, columns = torch.tril_indices(n, n)
    matrix[rows, columns] = a
    return matrix


def _fill_in_place(a):
    x = torch.zeros(5, dtype=f64)
    for i in range(5):
        x[i] = a[i] * 2 if i == 0 else x[i - 1] * 0.5 + a[i]
    return x


def _scale_rows(a):
    x = a.clone()
    x[1:] *= 2
    x[:, 0] = 0
    x[0, 1] = a[2, 2]
    view = x[2]
    view += 1
    return x, view.exp()


def _transposed_write(a):
    x = torch.ones(4, 3, dtype=f64)
    x.T[1] = a[0]
    y = x.clone().T
    y[0] -= a[1]
    return x, y


def _many_methods(a):
    x = a.clone()
    x.add_(1).mul_(2).sub_(a).div_(3).clamp_(-1, 1)
    y = (a + 1).neg_().abs_().mul_(3)
    z = a.clone().fill_(2.0)
    z[MASK] = a[MASK]
    w = torch.empty(5, dtype=f64).copy_(a)
    v = a.clone().masked_fill_(a > 0, 0.0)
    u = a.clone().zero_() + a
    return x, y, z, w, v, u


def _scatter_in_place(a):
    x = a.new_zeros(5)
    x.scatter_(0, torch.tensor([3, 1]), a[:2])
    y = torch.zeros(5, dtype=f64)
    y.index_add_(0, INDEX, a)
    y.scatter_add_(0, INDEX, a)
    y[INDEX[1:3]] += a[:2]
    return x, y


IN_PLACE = [
    case("fill in a loop", _fill_in_place, V),
    case("rows in place", _scale_rows, M),
    case("transposed in place", _transposed_write, M),
    case("methods in place", _many_methods, V, low=0.2, high=2),
    case("scatter in place", _scatter_in_place, V),
    case("mask in place", lambda a: _masked_write(a), V),
    case("squeeze in place", lambda a: a.clone().unsqueeze_(0).squeeze_(-1).t_(), (4, 1)),
    case("integers in place", lambda a: _integer_write(a), V),
]


def _masked_write(a):
    x = a.clone()
    x[a > 0] = 0.0
    y = a * 2
    y[(a > 0) & MASK] = -1.0
    return x, y


def _integer_write(a):
    x = torch.zeros(5, dtype=torch.long)
    x[:] = (a * 3).long()
    x[1] = 7
    y = torch.zeros(5, dtype=f64)
    y[:2] = x[:2]
    y[2] = a[2] > 0
    return x, y


def _definite(a):
    return a @ a.mT + torch.eye(a.shape[-1], dtype=f64)


def _lower(a):
    return a.tril(-1) + torch.diag_embed(a.diagonal(dim1=-2, dim2=-1).exp())


LINEAR_ALGEBRA = [
    case(
        "cholesky",
        lambda a: (
            torch.linalg.cholesky(_definite(a)),
            torch.linalg.cholesky(_definite(a), upper=True),
        ),
        SQ,
        rtol=1e-9,
    ),
    case("cholesky of one", lambda a: torch.linalg.cholesky(a * a + 1), (1, 1)),
    case("cholesky batched", lambda a: torch.linalg.cholesky(_definite(a)), (2, 3, 3), rtol=1e-9),
    case(
        "solve_triangular",
        lambda a, b: (
            torch.linalg.solve_triangular(_lower(a), b, upper=False),
            torch.linalg.solve_triangular(_lower(a).T, b, upper=True),
            torch.linalg.solve_triangular(_lower(a), b.T, upper=False, left=False),
            torch.linalg.solve_triangular(_lower(a), b, upper=False, unitriangular=True),
        ),
        SQ,
        (4, 2),
        rtol=1e-9,
    ),
    case(
        "solve_triangular batched",
        lambda a, b: torch.linalg.solve_triangular(_lower(a), b, upper=False),
        (2, 3, 3),
        (3, 2),
        rtol=1e-9,
    ),
    case(
        "triangular_solve",
        lambda a, b: (
            torch.triangular_solve(b, _lower(a), upper=False)[0],
            torch.triangular_solve(b, _lower(a), upper=False, transpose=True)[0],
        ),
        SQ,
        (4, 2),
        rtol=1e-9,
    ),
    case(
        "cholesky_solve",
        lambda a, b: (
            torch.cholesky_solve(b, _lower(a)),
            torch.cholesky_solve(b, _lower(a).T, upper=True),
        ),
        SQ,
        (4, 2),
        rtol=1e-9,
    ),
    case("cholesky_inverse", lambda a: torch.cholesky_inverse(_lower(a)), SQ, rtol=1e-9),
    case(
        "solve",
        lambda a, b: (
            torch.linalg.solve(_definite(a), b),
            torch.linalg.solve(_definite(a), b[:, 0]),
            torch.linalg.solve(_definite(a), b.T, left=False),
        ),
        SQ,
        (4, 2),
        rtol=1e-9,
    ),
    case(
        "solve batched",
        lambda a, b: torch.linalg.solve(_definite(a), b),
        (2, 3, 3),
        (2, 3, 2),
        rtol=1e-9,
    ),
    case("inv", lambda a: torch.linalg.inv(a + 5 * EYE), SQ, rtol=1e-9),
    case(
        "det",
        lambda a: (
            torch.linalg.det(a + 3 * EYE),
            torch.logdet(_definite(a)),
            *torch.linalg.slogdet(a + 3 * EYE),
        ),
        SQ,
        rtol=1e-9,
    ),
    case(
        "slogdet of a permuted matrix",
        lambda a: torch.linalg.slogdet(a.flip(0) * 3 - EYE),
        SQ,
        rtol=1e-8,
    ),
    case("matrix_power", lambda a: torch.linalg.matrix_power(a, 3), SQ),
    case("cross", lambda a, b: torch.linalg.cross(a, b), (2, 3), (2, 3)),
    case("matrix norms", lambda a: (torch.linalg.matrix_norm(a), torch.trace(a @ a)), SQ),
    case(
        "mahalanobis",
        lambda a, x: torch.distributions.MultivariateNormal(
            torch.zeros(4, dtype=f64), scale_tril=_lower(a), validate_args=False
        ).log_prob(x),
        SQ,
        (3, 4),
        rtol=1e-9,
    ),
]

CASES = [*INDEXING, *IN_PLACE, *LINEAR_ALGEBRA]
