"""Reductions, products and views that the compiler must reproduce: one line each."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tests.compile.compiled import case

f64 = torch.float64
V, M, SQ, T3 = (5,), (3, 4), (4, 4), (2, 3, 4)
MASK = torch.tensor([True, False, True, True, False])
ROWS = torch.tensor([0, 2, 1, 0])
DATA = torch.linspace(-1.5, 2.5, 5, dtype=f64)
EYE = torch.eye(4, dtype=f64)


REDUCTIONS = [
    case(
        "sum",
        lambda a: (
            a.sum(),
            a.sum(0),
            a.sum(1),
            a.sum(-1, keepdim=True),
            a.sum((0, 2)),
            a.sum((0, 1, 2)),
        ),
        T3,
    ),
    case(
        "sum of views",
        lambda a: (
            a.T.sum(0),
            a[:, ::2].sum(1),
            a.flip(0).sum(),
            a[1].sum(),
            a.expand(2, 3, 4).sum((0, 1)),
        ),
        M,
    ),
    case(
        "reductions of an expanded",
        lambda a: (
            a.expand(3, 5).sum(0),
            a.expand(3, 5).sum(),
            a.expand(3, 5).mean(1),
            a.expand(3, 5).prod(0),
            a.expand(3, 5).amax(0),
            a.expand(3, 5).prod(),
            a.expand(3, 5).logsumexp(0),
        ),
        (1, 5),
        low=0.4,
    ),
    case(
        "running sums of views",
        lambda a: (
            a.expand(3, 4, 5).cumsum(1),
            a.T.cumsum(0),
            a.flip(1).cumsum(1),
            a[:, ::2].cumprod(1),
            a.expand(3, 4, 5).cumsum(0),
        ),
        (4, 5),
        low=0.4,
    ),
    case("long running sums", lambda a: (a.cumsum(0), a.flip(0).cumsum(0)), (133,)),
    case(
        "products of zeros",
        lambda a: ((a * MASK).cumprod(0), (a * MASK).prod(), (a * (MASK | ~MASK)).cumprod(0)),
        V,
    ),
    case("sum of a scalar", lambda a: a.sum() + a.mean() + a.amax() + a.prod(), ()),
    case("sum of size one", lambda a: (a.sum(0), a.sum(1), a.sum()), (1, 4)),
    case("sum of nothing", lambda a: a[:0].sum() + a.sum(), V),
    case("mean", lambda a: (a.mean(), a.mean(1), a.mean((0, 2), keepdim=True)), T3),
    case(
        "variance",
        lambda a: (a.var(), a.var(0), a.std(1), a.var(unbiased=False), *torch.var_mean(a, 1)),
        M,
    ),
    case("amax", lambda a: (a.amax(), a.amax(1), a.amin((0, 2)), a.amin(1, keepdim=True)), T3),
    case("max", lambda a: (a.max(), a.min()), T3),
    case("max along", lambda a: (*a.max(1), *a.min(0), *a.max(-1, keepdim=True)), T3),
    case("argmax", lambda a: (a.argmax(1), a.argmin(0), a.argmax(), a.argmax(1, keepdim=True)), M),
    case("aminmax", lambda a: a.aminmax(dim=1), M),
    case("prod", lambda a: (a.prod(), a.prod(1), a.prod(0, keepdim=True)), M, low=0.4),
    case("any", lambda a: ((a > 1).any(), (a > 1).any(0), (a > -1).all(), (a > -1).all(1)), M),
    case(
        "logsumexp",
        lambda a: (a.logsumexp(0), a.logsumexp(1, keepdim=True), a.logsumexp((0, 1))),
        M,
    ),
    case("softmax", lambda a: (a.softmax(0), a.softmax(-1), F.softmin(a, 1)), M),
    case("log_softmax", lambda a: (a.log_softmax(0), a.log_softmax(-1)), M),
    case("softmax of one", lambda a: a.softmax(1) + a.log_softmax(1), (3, 1)),
    case(
        "norm",
        lambda a: (
            a.norm(),
            a.norm(dim=1),
            torch.linalg.vector_norm(a, 1),
            torch.linalg.vector_norm(a, 3, 0),
            torch.linalg.norm(a),
        ),
        M,
    ),
    case("cumsum", lambda a: (a.cumsum(0), a.cumsum(1), a.cumsum(-1)), T3),
    case("cumprod", lambda a: (a.cumprod(0), a.cumprod(1)), M, low=0.4),
    case("cumulative of one", lambda a: a.cumsum(0) + a.cumprod(0), (1,), low=0.4),
    case("cumulative of a scalar", lambda a: a.cumsum(0) + a.cumprod(0), (), low=0.4),
    case("logcumsumexp", lambda a: (a.logcumsumexp(0), a.logcumsumexp(1)), M),
    case("diff", lambda a: (a.diff(), a.diff(dim=0), a.diff(n=2)), M),
    case(
        "cross_entropy",
        lambda a: (
            F.cross_entropy(a, ROWS[:3]),
            F.nll_loss(a.log_softmax(1), ROWS[:3], reduction="none"),
        ),
        M,
    ),
    case(
        "losses",
        lambda a: (
            F.mse_loss(a, DATA),
            F.l1_loss(a, DATA),
            F.smooth_l1_loss(a, DATA),
            F.huber_loss(a, DATA),
            F.binary_cross_entropy_with_logits(a, MASK.double(), reduction="none"),
            F.binary_cross_entropy_with_logits(a, MASK.double()),
            F.binary_cross_entropy_with_logits(a, MASK.double(), reduction="sum"),
            F.binary_cross_entropy(a.sigmoid(), MASK.double()),
            F.kl_div(a, DATA.softmax(0), reduction="sum"),
            F.gaussian_nll_loss(a, DATA, DATA.exp()),
        ),
        V,
    ),
    case(
        "weighted bernoulli",
        lambda a: F.binary_cross_entropy_with_logits(
            a, MASK.double(), pos_weight=DATA.exp(), weight=DATA.exp()
        ),
        V,
    ),
    case("layer_norm", lambda a, w: F.layer_norm(a, (4,), w, w), M, (4,)),
]

PRODUCTS = [
    case("mm", lambda a, b: (a @ b, b.T @ a.T), M, (4, 2)),
    case("mm with data", lambda a: (EYE[:, :3] @ a, a @ EYE.flip(0)), M),
    case("mv", lambda a, x: (a @ x, x @ a.T), M, (4,)),
    case("dot", lambda a, b: (a @ b, a.dot(b), torch.vdot(a, b), a.inner(b), a.outer(b)), V, V),
    case("bmm", lambda a, b: (torch.bmm(a, b), a @ b[0]), T3, (2, 4, 2)),
    case("matmul broadcast", lambda a, b: a @ b, (2, 1, 3, 4), (5, 4, 2)),
    case(
        "addmm",
        lambda a, b, c: (
            torch.addmm(c, a, b),
            torch.addmm(c, a, b, beta=2, alpha=3),
            torch.addmv(c[:, 0], a, b[:, 0]),
        ),
        M,
        (4, 2),
        (3, 2),
    ),
    case("baddbmm", lambda a, b, c: torch.baddbmm(c, a, b, beta=0.5), T3, (2, 4, 2), (2, 3, 2)),
    case("linear", lambda x, w, b: F.linear(x, w, b), M, (2, 4), (2,)),
    case("linear batched", lambda x, w, b: F.linear(x, w, b), T3, (2, 4), (2,)),
    case(
        "einsum",
        lambda a, b: (
            torch.einsum("ij,kj->ik", a, b),
            torch.einsum("ij,ij->", a, a),
            torch.einsum("bij,bj->bi", a.expand(2, 3, 4), b[:2]),
        ),
        M,
        M,
    ),
    case("tensordot", lambda a, b: torch.tensordot(a, b, ([1, 2], [0, 1])), T3, M),
    case("bilinear", lambda a, b: torch.einsum("i,ij,j->", a, b, a), (4,), SQ),
    case("kron", torch.kron, (2, 2), (3,)),
    case("long row sums", lambda a, x: (a @ x, a.T @ x[:6]), (6, 70), (70,)),
    case("columns sums", lambda a: (a.sum(0), (a * a).sum(0)), (7, 130)),
    case("row sums", lambda a: (a.sum(1), (a * a).sum(1)), (11, 9)),
    case("middle sums", lambda a: a.sum(1), (3, 5, 7)),
    case("cdist", lambda a: ((a[:, None] - a[None]) ** 2).sum(-1).exp(), (5, 2)),
]

VIEWS = [
    case(
        "reshape",
        lambda a: (
            a.reshape(4, 3),
            a.reshape(-1),
            a.T.reshape(2, 6),
            a.T.flatten(),
            a.view(2, 2, 3),
            a.view(-1, 2),
        ),
        M,
    ),
    case("reshape flipped", lambda a: (a.flip(0).reshape(-1), a[::2].reshape(2, 2, 2)), M),
    case(
        "expand", lambda a, b: (a.expand(3, 5), b.expand(2, -1, 4), a.expand(2, 3, 5)), V, (3, 1)
    ),
    case(
        "permute",
        lambda a: (
            a.permute(2, 0, 1),
            a.transpose(0, -1),
            a.movedim(0, 1),
            a.swapaxes(0, 1),
            a[0].T,
            a[0].mT,
            a[0].t(),
        ),
        T3,
    ),
    case(
        "squeeze",
        lambda a: (
            a.squeeze(),
            a.squeeze(0),
            a.squeeze(1),
            a.squeeze((0, 2)),
            a.unsqueeze(0),
            a.unsqueeze(-1),
        ),
        (1, 3, 1),
    ),
    case(
        "slices",
        lambda a: (
            a[1:],
            a[:, ::2],
            a[-2:, 1:-1],
            a[::2, -1],
            a[None],
            a[..., 0],
            a[1],
            a.narrow(0, 1, 2),
        ),
        M,
    ),
    case("select", lambda a: (a[0], a[:, -1], a.select(0, 1), a[1, 2]), M),
    case("flip", lambda a: (a.flip(0), a.flip((0, 1)), a.fliplr(), a.flip(0)[::2].cumsum(1)), M),
    case("roll", lambda a: (a.roll(1, 0), a.roll((1, 2), (0, 1)), a.rot90()), M),
    case("unbind", lambda a: (sum(a.unbind(0)), sum(a.unbind(1))), M),
    case(
        "split",
        lambda a: (a.split(2)[1], a.split([1, 4])[1], a.chunk(2)[0], a.tensor_split(2)[0]),
        V,
    ),
    case(
        "diagonal",
        lambda a: (a.diagonal(), a.diagonal(1), a.diagonal(-2), a.trace(), a.diag()),
        SQ,
    ),
    case("diagonal batched", lambda a: a.diagonal(dim1=-2, dim2=-1), (2, 3, 3)),
    case(
        "diag_embed",
        lambda a: (a.diag_embed(), a.diag_embed(1), a.diag(), torch.diagflat(a)),
        (3,),
    ),
    case("diag_embed batched", lambda a: a.diag_embed(), (2, 3)),
    case(
        "cat",
        lambda a, b: (
            torch.cat([a, b]),
            torch.cat([a, b[:1]], 0),
            torch.cat([a, a * 2, b], 1 if a.dim() > 1 else 0),
        ),
        M,
        M,
    ),
    case(
        "stack",
        lambda a, b: (
            torch.stack([a, b]),
            torch.stack([a, b], 1),
            torch.hstack([a, b]),
            torch.vstack([a, b]),
            torch.dstack([a, b]),
        ),
        V,
        V,
    ),
    case("cat of mixed types", lambda a: torch.cat([torch.arange(3), a, (a > 0).long()]), V),
    case("stack of a scalar", lambda a, b: torch.stack([a, b, a * b]), (), ()),
    case("cat with an empty", lambda a: torch.cat([a[:0], a, a.new_zeros(0)]), V),
    case(
        "pad",
        lambda a: (
            F.pad(a, (1, 2)),
            F.pad(a, (1, 0, 0, 2), value=3.0),
            F.pad(a, (-1, 1)),
            F.pad(a, (-1, -1, 0, -1)),
        ),
        M,
    ),
    case("tril", lambda a: (a.tril(), a.triu(), a.tril(-1), a.triu(1), a.tril(1)), M),
    case("tril batched", lambda a: a.tril() + a.triu(1), (2, 3, 3)),
    case(
        "repeat", lambda a: (a.repeat(2), a.repeat(2, 3), a.tile((2,)), a.repeat_interleave(3)), V
    ),
    case("repeat_interleave", lambda a: a.repeat_interleave(torch.tensor([1, 0, 2, 3, 1])), V),
    case("unfold", lambda a: (a.unfold(0, 3, 1), a.unfold(0, 2, 2)), (8,)),
    case("unfold of a matrix", lambda a: a.unfold(1, 2, 1), M),
    case(
        "as_strided", lambda a: (a.as_strided((3, 3), (1, 1)), a[1:].as_strided((2,), (2,), 1)), V
    ),
    case("meshgrid", lambda a, b: torch.meshgrid(a, b, indexing="ij"), (3,), (4,)),
    case("broadcast_to", lambda a: torch.broadcast_to(a, (3, 5)), V),
    case("contiguous", lambda a: (a.T.contiguous(), a.T.clone(), a.detach() + a), M),
    case("unflatten", lambda a: (a.unflatten(1, (2, 2)), a.ravel()), M),
    case(
        "cartesian",
        lambda a, b: (torch.block_diag(a, b), torch.cartesian_prod(a[0], b[0])),
        (2, 2),
        (2, 3),
    ),
    case("constant output", lambda a: (DATA, DATA.flip(0), a), V),
    case("output of data's shape", lambda a: a * 0 + DATA, V),
    case("the input itself", lambda a: (a, a[::2], a.T if a.dim() > 1 else a), V),
]

CASES = [*REDUCTIONS, *PRODUCTS, *VIEWS]
