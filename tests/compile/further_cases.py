"""Sorting, spectra, special functions and windows that the compiler must reproduce."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tests.compile.compiled import case

f64 = torch.float64
V, M, SQ, T3 = (5,), (3, 4), (4, 4), (2, 3, 4)
INDEX = torch.tensor([2, 0, 4, 2, 2])
MASK = torch.tensor([True, False, True, True, False])
DATA = torch.linspace(-1.5, 2.5, 5, dtype=f64)
LOOSE = {"rtol": 1e-8}


def _symmetric(a):
    return a + a.mT


def _definite(a):
    return a @ a.mT + torch.eye(a.shape[-2], dtype=f64)


SORTING = [
    case("sort", lambda a: (*a.sort(0), *a.sort(1, descending=True), a.argsort(1)), M),
    case("sort with ties", lambda a: (a.round().detach().sort(stable=True)[1], a), (40,)),
    case(
        "sort with missing", lambda a: a.log().nan_to_num(nan=torch.nan).detach().sort()[0], (9,)
    ),
    case("sort of a scalar", lambda a: a.sort()[0] + a.median() + a.cummax(0)[0], ()),
    case("topk", lambda a: (*a.topk(2), *a.topk(2, 0, largest=False), a.topk(2)[0].sum()), M),
    case("kthvalue", lambda a: (*a.kthvalue(2), a.kthvalue(3, 0, keepdim=True)[0]), M),
    case("median", lambda a: (a.median(), *a.median(1), a.median(0, keepdim=True)[0]), M),
    case("quantile", lambda a: (a.quantile(0.3), a.quantile(DATA.sigmoid(), dim=1)), M),
    case("running extremes", lambda a: (*a.cummax(0), *a.cummin(1)), M),
    case("searchsorted in computed", lambda a: (torch.searchsorted(a.sort()[0], DATA), a), V),
]

COMPUTED_PLACES = [
    case(
        "scatter to computed places",
        lambda a, b: (
            a.scatter(0, (b.abs() * 2).long(), b),
            a.index_put(((b.abs() * 2).long(),), b),
            a.index_put(((b.abs() * 2).long(),), torch.tensor(3.0, dtype=f64)),
        ),
        V,
        V,
    ),
    case(
        "index_put in computed rows",
        lambda a, b: (
            a.index_put(((b[0].abs() * 1.4).long(),), b),
            a.index_put(((b[0].abs() * 1.4).long(), (b[1].abs() * 1.9).long()), b[2]),
        ),
        (3, 4),
        (4, 4),
    ),
    case(
        "scatter_reduce",
        lambda a, b: tuple(
            a.scatter_reduce(0, INDEX, b, how, include_self=own)
            for how in ("sum", "mean", "amax", "amin")
            for own in (True, False)
        ),
        V,
        V,
    ),
    case(
        "masked_scatter",
        lambda a, b: (a.masked_scatter(MASK, b), a.masked_scatter(a > 0, b)),
        V,
        V,
    ),
    case("put", lambda a, b: a.put(torch.tensor([1, 7]), b[:2]), M, V),
    case(
        "diag_embed elsewhere", lambda a: (a.diag_embed(dim1=0, dim2=2), a.diag_embed(1, 1, 0)), M
    ),
    case("whole numbers into the diagonal", lambda a: _ones_on_diagonal(a), SQ),
    case("a tensor of tensors", lambda a: (torch.tensor([a[0].detach(), a[1].detach()]), a), V),
    case("writing where one truth holds", lambda a: _where_one_holds(a), V),
    case("sparse data", lambda a: _sparse(a), SQ),
]


def _ones_on_diagonal(a):
    x = a * 2.5
    x.diagonal().fill_(1)
    return x


def _where_one_holds(a):
    x = a.clone()
    x[x.sum() > -100] = 2.0
    y = a[0].clone()
    y[a[1] < 100] = torch.ones(1, dtype=f64)
    return x * a, y + a[0]


def _sparse(a):
    matrix = torch.tensor([[0.0, 2, 0, 1], [0, 0, 3, 0], [0, 0, 0, 0], [4, 0, 0, 5]], dtype=f64)
    sparse = matrix.to_sparse()
    return torch.sparse.mm(sparse, a), sparse @ a[0], a @ sparse


SPECTRA = [
    case("eigh", lambda a: (torch.linalg.eigvalsh(_symmetric(a)),), (6, 6), **LOOSE),
    case(
        "eigenvectors",
        lambda a: (
            torch.linalg.eigh(_symmetric(a))[1].abs(),
            torch.linalg.eigh(_symmetric(a), UPLO="U")[1].abs(),
        ),
        (2, 4, 4),
        rtol=1e-7,
    ),
    case("singular values", lambda a: (torch.linalg.svdvals(a), a.norm(p="nuc")), M, **LOOSE),
    case(
        "singular vectors",
        lambda a: tuple(
            part.abs() for b in (a, a.mT) for part in torch.linalg.svd(b, full_matrices=False)
        ),
        M,
        rtol=1e-6,
    ),
    case("qr", lambda a: (*torch.linalg.qr(a.mT), *torch.linalg.qr(a[:, :3])), M, rtol=1e-7),
    case("qr of a wide matrix", lambda a: torch.linalg.qr(a.detach() + 0)[1] + a, M, **LOOSE),
    case(
        "matrix_exp",
        lambda a: (torch.matrix_exp(a), torch.matrix_exp(3 * a)),
        (2, 3, 3),
        **LOOSE,
    ),
    case(
        "pinv",
        lambda a: (torch.linalg.pinv(a), torch.linalg.pinv(_definite(a), rtol=1e-9)),
        M,
        rtol=1e-7,
    ),
    case("lu", lambda a: (torch.linalg.lu(a)[1], torch.linalg.lu(a)[2]), SQ, rtol=1e-6),
    case(
        "lu_solve",
        lambda a, b: torch.linalg.lu_solve(*torch.linalg.lu_factor(_definite(a)), b),
        SQ,
        (4, 2),
        **LOOSE,
    ),
    case(
        "distances of pairs",
        lambda a, b: tuple(torch.cdist(a, b, p) for p in (1.0, 2.0, 3.0, torch.inf)),
        M,
        (5, 4),
        **LOOSE,
    ),
    case("pdist", lambda a: (F.pdist(a), F.pdist(a, 1.0), torch.cdist(a, a)), M, **LOOSE),
    case("addbmm", lambda a, b, c: torch.addbmm(c, a, b, beta=2, alpha=3), T3, (2, 4, 2), (3, 2)),
    case("bilinear layer", lambda a, b, w: F.bilinear(a, b, w), (2, 3), (2, 4), (5, 3, 4)),
]

SPECIAL = [
    case("zeta", lambda a: (torch.special.zeta(3.5, a.detach() + 3), a), V),
    case("zeta of a tensor", lambda a: (torch.special.zeta(a.detach() + 4, 0.7), a), V),
    case("zeta of two", lambda a: (torch.special.zeta(a.detach() + 4, a.detach() + 3), a), V),
    case(
        "polygamma",
        lambda a: (torch.polygamma(2, a), torch.polygamma(3, a)),
        V,
        low=0.3,
        high=6,
        **LOOSE,
    ),
    case("gammainc", lambda a: torch.special.gammainc(DATA + 2, a), V, low=0.1, high=8, **LOOSE),
    case(
        "gammaincc",
        lambda a: torch.special.gammaincc(DATA * 9 + 15, a),
        V,
        low=5,
        high=40,
        **LOOSE,
    ),
    case("round to decimals", lambda a: (a.round(decimals=1), torch.signbit(a), a), V),
    case("shrink", lambda a: (F.hardshrink(a), F.softshrink(a)), V),
]

WINDOWS = [
    case(
        "conv1d",
        lambda a, w, b: (
            F.conv1d(a, w, b, 2, 1),
            F.conv1d(a, w, padding="same"),
            F.conv1d(a, w, dilation=2),
        ),
        (2, 3, 7),
        (4, 3, 3),
        (4,),
    ),
    case(
        "conv2d",
        lambda a, w, b: F.conv2d(a, w, b, (1, 2), (1, 0)),
        (2, 3, 5, 4),
        (4, 3, 3, 2),
        (4,),
    ),
    case(
        "conv2d in groups",
        lambda a, w: F.conv2d(a, w, groups=2, dilation=2),
        (1, 4, 6, 6),
        (6, 2, 2, 2),
    ),
    case("conv3d", lambda a, w: F.conv3d(a, w), (1, 2, 3, 3, 3), (2, 2, 2, 2, 2)),
    case("conv of data", lambda w: F.conv1d(DATA[None, None], w, padding=1), (2, 1, 3)),
    case(
        "transposed convolutions",
        lambda a, w: (
            F.conv_transpose2d(a, w, stride=2, padding=1, output_padding=1),
            F.conv_transpose2d(a, w[:, :1], groups=3),
        ),
        (2, 3, 4, 3),
        (3, 2, 3, 3),
    ),
    case(
        "average pooling",
        lambda a: (
            F.avg_pool2d(a, 2),
            F.avg_pool2d(a, 3, 2, 1),
            F.avg_pool2d(a, 3, 2, 1, count_include_pad=False),
            F.avg_pool2d(a, 2, divisor_override=3),
            F.avg_pool1d(a[0], 2),
            F.adaptive_avg_pool2d(a, 1),
        ),
        (2, 3, 6, 5),
    ),
    case("average pooling of volumes", lambda a: F.avg_pool3d(a, 2), (1, 2, 4, 4, 4)),
    case("max pooling", lambda a: (F.max_pool2d(a, 2), F.max_pool1d(a[0], 2)), (2, 3, 6, 4)),
    case("group_norm", lambda a, w: F.group_norm(a, 2, w, w), (2, 4, 3), (4,)),
    case(
        "batch_norm",
        lambda a, w: F.batch_norm(a, w.detach(), w.detach().exp(), w, w),
        M,
        (4,),
    ),
]

CASES = [*SORTING, *COMPUTED_PLACES, *SPECTRA, *SPECIAL, *WINDOWS]
