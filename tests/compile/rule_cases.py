"""The table of torch functions that the compiler must reproduce: one line each."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tests.compile.compiled import Case

f64 = torch.float64
V, M, SQ, T3 = (5,), (3, 4), (4, 4), (2, 3, 4)
INDEX = torch.tensor([2, 0, 4, 2, 2])
MASK = torch.tensor([True, False, True, True, False])
ROWS = torch.tensor([0, 2, 1, 0])
DATA = torch.linspace(-1.5, 2.5, 5, dtype=f64)
EYE = torch.eye(4, dtype=f64)


def _case(name, function, *shapes, **options):
    return Case(name, function, shapes, **options)


def _unary(names, **options):
    """Each on a scalar, a vector and a transposed matrix at once."""
    cases = []
    for name in names:
        operation = _function(name)
        cases.append(
            _case(
                name,
                lambda a, b, c, f=operation: (f(a), f(b), f(c.T), f(c[:, ::2])),
                (), V, M, **options,
            )
        )
    return cases


def _function(name):
    for module in (torch, torch.special, F):
        if hasattr(module, name):
            return getattr(module, name)
    raise AttributeError(name)


UNARY = [
    *_unary(
        "neg exp exp2 expm1 abs sign sgn sin cos tan sinh cosh tanh atan asinh erf erfc square "
        "sigmoid softplus logsigmoid relu silu gelu elu leaky_relu selu softsign hardtanh sinc "
        "celu mish positive deg2rad rad2deg ndtr log_ndtr entr i0 i0e i1 i1e "
        "erfcx".split()
    ),
    *_unary("floor ceil trunc round frac".split()),
    *_unary("log log2 log10 log1p sqrt rsqrt reciprocal lgamma".split(), low=0.1, high=4),
    # torch's own trigamma, the derivative, has nine digits
    *_unary(["digamma"], low=0.1, high=4, rtol=1e-8),
    *_unary(["acosh"], low=1.2, high=4),
    *_unary("asin acos atanh erfinv".split(), low=-0.9, high=0.9),
    *_unary("logit ndtri".split(), low=0.02, high=0.98),
    _case("trigamma", lambda x: torch.polygamma(1, x.detach()) + x, V, low=0.1, high=4, rtol=1e-8),
    _case("lgamma of negatives", torch.lgamma, (40,), low=-6, high=0),
    _case("digamma of negatives", torch.digamma, (40,), low=-6, high=0, rtol=1e-8),
    _case("mvlgamma", lambda x: torch.special.multigammaln(x, 3), V, low=1.5, high=6),
    _case("isnan", lambda x: (x.log().isnan(), x.log().isinf(), (1 / x).isfinite()), V),
    _case("nan_to_num", lambda x: torch.nan_to_num(x.log(), nan=7.0), V),
    _case("threshold", lambda x: F.threshold(x, 0.5, -1.0), V),
    _case("tanhshrink", lambda x: (F.tanhshrink(x), F.softplus(x, beta=2)), V),
    _case("prelu", lambda x, w: F.prelu(x, w), M, (1,)),
]

POWERS = [
    _case(f"pow {p}", lambda x, p=p: x**p, V, low=0.2, high=3)
    for p in (0, 1, 2, 3, 4, 5, 0.5, -0.5, 1.5, -1, -2, -3, 0.3)
] + [
    _case("pow of negatives", lambda x: (x**2, x**3, x**4, x**5, x**-1, x**-2), V),
    _case("pow tensor", lambda x, y: x**y, M, (4,), low=0.2, high=3),
    _case("pow of a number", lambda x: 2.5**x, V),
    _case("pow of zero", lambda x: (x - x) ** 2 + (x - x) ** 3, V),
    _case("float_power", lambda x: torch.float_power(x, 3), V),
]

BINARY = [
    _case("add broadcast", lambda a, b, c: a + b + c, (3, 1), (4,), ()),
    _case("add alpha", lambda a, b: torch.add(a, b, alpha=2.5), V, ()),
    _case("sub alpha", lambda a, b: torch.sub(a, b, alpha=2.5), V, V),
    _case("rsub", lambda a: (1 - a, torch.rsub(a, 2.0, alpha=3)), V),
    _case("mul broadcast", lambda a, b: a * b, (3, 1), (1, 4)),
    _case("div broadcast", lambda a, b: a / b, M, (3, 1), low=0.3, high=2),
    _case("div by numbers", lambda a: (a / 3, 3 / a, a / DATA[0]), V, low=0.3, high=2),
    _case("floor division", lambda a: (torch.div(a, 0.7, rounding_mode="floor"),
                                       torch.div(a, 0.7, rounding_mode="trunc"),
                                       a.detach() // 0.7), V),
    _case("remainder", lambda a, b: (a % 0.7, torch.fmod(a, 0.7), torch.fmod(a, b.abs() + 0.1), torch.remainder(a, b.abs())),
          V, V),
    _case("maximum", lambda a, b: (torch.maximum(a, b), torch.minimum(a, b)), M, (4,)),
    _case("fmax", lambda a, b: (torch.fmax(a, b), torch.fmin(a, b)), M, (4,)),
    _case("clamp", lambda a: (a.clamp(-1, 1), a.clamp(min=0), a.clamp(max=0.5), a.clamp_min(0.1),
                              a.clamp_max(0.2)), M),
    _case("clamp tensors", lambda a, b: (a.clamp(b - 1, b + 1), a.clamp(min=b), a.clamp(max=b)),
          M, (4,)),
    _case("comparisons", lambda a, b: (a < b, a <= b, a > b, a >= b, a == b, a != b, a > 0.5), M,
          (4,)),
    _case("logic", lambda a, b: (
        (a > 0) & (b > 0), (a > 0) | (b > 0), (a > 0) ^ (b > 0), ~(a > 0),
        torch.logical_and(a > 0, b > 0), torch.logical_or(a > 0, b > 0),
        torch.logical_xor(a > 0, b > 0), torch.logical_not(a > 0), torch.logical_not(a)), M, (4,)),
    _case("arithmetic of truths", lambda a: ((a > 0) * 2, (a > 0) + (a > 1), (a > 0) * a,
                                             (a > 0).sum(), (a > 0).double().mean()), M),
    _case("integers", lambda a: (a.long() + 2, a.long() // 2, a.int() * a, -a.long(),
                                 a.long().abs(), a.long() % 3, ~a.long(),
                                 a.long() & 3,
                                 a.long() | 1, a.long() ^ 5), V, low=-6, high=6),
    _case("where", lambda a, b: (torch.where(a > 0, a, b), torch.where(a > 0, a, 0.0),
                                 torch.where(a > 0, 1.0, b), torch.where(a > 0, 1.0, 2.0)), M, (4,)),
    _case("where with data", lambda a: torch.where(MASK, a, DATA), V),
    _case("masked_fill", lambda a: (a.masked_fill(MASK, 3.0), a.masked_fill(a > 0, 0.0)), V),
    _case("atan2", torch.atan2, V, V),
    _case("hypot", torch.hypot, V, V),
    _case("logaddexp", lambda a, b: (torch.logaddexp(a, b), torch.logaddexp2(a, b)), M, (4,)),
    _case("xlogy", lambda a, b: (torch.xlogy(a, b), torch.special.xlog1py(a, b)), V, V, low=0.1),
    _case("xlogy of zero", lambda b: torch.xlogy(torch.tensor([0.0, 1, 2, 0, 3], dtype=f64), b),
          V, low=0.1),
    _case("lerp", lambda a, b, w: (torch.lerp(a, b, 0.3), torch.lerp(a, b, w)), V, V, V),
    _case("addcmul", lambda a, b, c: (torch.addcmul(a, b, c, value=2), torch.addcdiv(a, b, c)),
          V, V, V, low=0.3),
    _case("copysign", lambda a, b: torch.copysign(a, b), V, V),
    _case("heaviside", lambda a: torch.heaviside(a.detach(), DATA) + a, V),
    _case("ldexp", lambda a: torch.ldexp(a, torch.tensor(3)), V),
    _case("betaln", lambda a, b: torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b), V, V,
          low=0.1),
    _case("constant like", lambda a: (
        torch.zeros_like(a) + a, torch.ones_like(a) * a, torch.full_like(a, 2.5) * a,
        a.new_zeros(5), a.new_full((5,), 3.0), a.new_ones(5), torch.empty_like(a).fill_(2.0)), V),
    _case("float32 asked for", lambda a: a.to(f64) + a.double(), V),
]

REDUCTIONS = [
    _case("sum", lambda a: (a.sum(), a.sum(0), a.sum(1), a.sum(-1, keepdim=True), a.sum((0, 2)),
                            a.sum((0, 1, 2))), T3),
    _case("sum of views", lambda a: (a.T.sum(0), a[:, ::2].sum(1), a.flip(0).sum(), a[1].sum(),
                                     a.expand(2, 3, 4).sum((0, 1))), M),
    _case("sum of a scalar", lambda a: a.sum() + a.mean() + a.amax() + a.prod(), ()),
    _case("sum of size one", lambda a: (a.sum(0), a.sum(1), a.sum()), (1, 4)),
    _case("sum of nothing", lambda a: a[:0].sum() + a.sum(), V),
    _case("mean", lambda a: (a.mean(), a.mean(1), a.mean((0, 2), keepdim=True)), T3),
    _case("variance", lambda a: (a.var(), a.var(0), a.std(1), a.var(unbiased=False),
                                 *torch.var_mean(a, 1)), M),
    _case("amax", lambda a: (a.amax(), a.amax(1), a.amin((0, 2)), a.amin(1, keepdim=True)), T3),
    _case("max", lambda a: (a.max(), a.min()), T3),
    _case("max along", lambda a: (*a.max(1), *a.min(0), *a.max(-1, keepdim=True)), T3),
    _case("argmax", lambda a: (a.argmax(1), a.argmin(0), a.argmax(), a.argmax(1, keepdim=True)), M),
    _case("median", lambda a: a.aminmax(dim=1), M),
    _case("prod", lambda a: (a.prod(), a.prod(1), a.prod(0, keepdim=True)), M, low=0.4),
    _case("any", lambda a: ((a > 1).any(), (a > 1).any(0), (a > -1).all(), (a > -1).all(1)), M),
    _case("logsumexp", lambda a: (a.logsumexp(0), a.logsumexp(1, keepdim=True),
                                  a.logsumexp((0, 1))), M),
    _case("softmax", lambda a: (a.softmax(0), a.softmax(-1), F.softmin(a, 1)), M),
    _case("log_softmax", lambda a: (a.log_softmax(0), a.log_softmax(-1)), M),
    _case("softmax of one", lambda a: a.softmax(1) + a.log_softmax(1), (3, 1)),
    _case("norm", lambda a: (a.norm(), a.norm(dim=1), torch.linalg.vector_norm(a, 1),
                             torch.linalg.vector_norm(a, 3, 0), torch.linalg.norm(a)), M),
    _case("cumsum", lambda a: (a.cumsum(0), a.cumsum(1), a.cumsum(-1)), T3),
    _case("cumprod", lambda a: (a.cumprod(0), a.cumprod(1)), M, low=0.4),
    _case("cumulative of one", lambda a: a.cumsum(0) + a.cumprod(0), (1,), low=0.4),
    _case("cumulative of a scalar", lambda a: a.cumsum(0) + a.cumprod(0), (), low=0.4),
    _case("logcumsumexp", lambda a: (a.logcumsumexp(0), a.logcumsumexp(1)), M),
    _case("diff", lambda a: (a.diff(), a.diff(dim=0), a.diff(n=2)), M),
    _case("cross_entropy", lambda a: (
        F.cross_entropy(a, ROWS[:3]), F.nll_loss(a.log_softmax(1), ROWS[:3], reduction="none")), M),
    _case("losses", lambda a: (
        F.mse_loss(a, DATA), F.l1_loss(a, DATA), F.smooth_l1_loss(a, DATA), F.huber_loss(a, DATA),
        F.binary_cross_entropy_with_logits(a, MASK.double(), reduction="none"),
        F.binary_cross_entropy_with_logits(a, MASK.double()),
        F.binary_cross_entropy_with_logits(a, MASK.double(), reduction="sum"),
        F.binary_cross_entropy(a.sigmoid(), MASK.double()), F.kl_div(a, DATA.softmax(0)),
        F.gaussian_nll_loss(a, DATA, DATA.exp())), V),
    _case("weighted bernoulli", lambda a: F.binary_cross_entropy_with_logits(
        a, MASK.double(), pos_weight=DATA.exp(), weight=DATA.exp()), V),
    _case("layer_norm", lambda a, w: F.layer_norm(a, (4,), w, w), M, (4,)),
]

PRODUCTS = [
    _case("mm", lambda a, b: (a @ b, b.T @ a.T), M, (4, 2)),
    _case("mm with data", lambda a: (EYE[:, :3] @ a, a @ EYE.flip(0)), M),
    _case("mv", lambda a, x: (a @ x, x @ a.T), M, (4,)),
    _case("dot", lambda a, b: (a @ b, a.dot(b), torch.vdot(a, b), a.inner(b), a.outer(b)), V, V),
    _case("bmm", lambda a, b: (torch.bmm(a, b), a @ b[0]), T3, (2, 4, 2)),
    _case("matmul broadcast", lambda a, b: a @ b, (2, 1, 3, 4), (5, 4, 2)),
    _case("addmm", lambda a, b, c: (torch.addmm(c, a, b), torch.addmm(c, a, b, beta=2, alpha=3),
                                    torch.addmv(c[:, 0], a, b[:, 0])), M, (4, 2), (3, 2)),
    _case("baddbmm", lambda a, b, c: torch.baddbmm(c, a, b, beta=0.5), T3, (2, 4, 2), (2, 3, 2)),
    _case("linear", lambda x, w, b: F.linear(x, w, b), M, (2, 4), (2,)),
    _case("linear batched", lambda x, w, b: F.linear(x, w, b), T3, (2, 4), (2,)),
    _case("einsum", lambda a, b: (torch.einsum("ij,kj->ik", a, b), torch.einsum("ij,ij->", a, a),
                                  torch.einsum("bij,bj->bi", a.expand(2, 3, 4), b[:2])), M, (3, 4)),
    _case("tensordot", lambda a, b: torch.tensordot(a, b, ([1, 2], [0, 1])), T3, M),
    _case("bilinear", lambda a, b: torch.einsum("i,ij,j->", a, b, a), (4,), SQ),
    _case("kron", torch.kron, (2, 2), (3,)),
    _case("long row sums", lambda a, x: (a @ x, a.T @ x[:6]), (6, 70), (70,)),
    _case("columns sums", lambda a: (a.sum(0), (a * a).sum(0)), (7, 130)),
    _case("row sums", lambda a: (a.sum(1), (a * a).sum(1)), (11, 9)),
    _case("middle sums", lambda a: a.sum(1), (3, 5, 7)),
    _case("cdist", lambda a: ((a[:, None] - a[None]) ** 2).sum(-1).exp(), (5, 2)),
]

VIEWS = [
    _case("reshape", lambda a: (a.reshape(4, 3), a.reshape(-1), a.T.reshape(2, 6), a.T.flatten(),
                                a.view(2, 2, 3), a.view(-1, 2)), M),
    _case("reshape flipped", lambda a: (a.flip(0).reshape(-1), a[::2].reshape(2, 2, 2)), M),
    _case("expand", lambda a, b: (a.expand(3, 5), b.expand(2, -1, 4), a.expand(2, 3, 5)), V, (3, 1)),
    _case("permute", lambda a: (a.permute(2, 0, 1), a.transpose(0, -1), a.movedim(0, 1),
                                a.swapaxes(0, 1), a[0].T, a[0].mT, a[0].t()), T3),
    _case("squeeze", lambda a: (a.squeeze(), a.squeeze(0), a.squeeze(1), a.squeeze((0, 2)),
                                a.unsqueeze(0), a.unsqueeze(-1)), (1, 3, 1)),
    _case("slices", lambda a: (a[1:], a[:, ::2], a[-2:, 1:-1], a[::2, -1], a[None], a[..., 0],
                               a[1], a.narrow(0, 1, 2)), M),
    _case("select", lambda a: (a[0], a[:, -1], a.select(0, 1), a[1, 2]), M),
    _case("flip", lambda a: (a.flip(0), a.flip((0, 1)), a.fliplr(), a.flip(0)[::2].cumsum(1)), M),
    _case("roll", lambda a: (a.roll(1, 0), a.roll((1, 2), (0, 1)), a.rot90()), M),
    _case("unbind", lambda a: (sum(a.unbind(0)), sum(a.unbind(1))), M),
    _case("split", lambda a: (a.split(2)[1], a.split([1, 4])[1], a.chunk(2)[0],
                              a.tensor_split(2)[0]), V),
    _case("diagonal", lambda a: (a.diagonal(), a.diagonal(1), a.diagonal(-2), a.trace(), a.diag()),
          SQ),
    _case("diagonal batched", lambda a: a.diagonal(dim1=-2, dim2=-1), (2, 3, 3)),
    _case("diag_embed", lambda a: (a.diag_embed(), a.diag_embed(1), a.diag(), torch.diagflat(a)),
          (3,)),
    _case("diag_embed batched", lambda a: a.diag_embed(), (2, 3)),
    _case("cat", lambda a, b: (torch.cat([a, b]), torch.cat([a, b[:1]], 0),
                               torch.cat([a, a * 2, b], 1 if a.dim() > 1 else 0)), M, M),
    _case("stack", lambda a, b: (torch.stack([a, b]), torch.stack([a, b], 1), torch.hstack([a, b]),
                                 torch.vstack([a, b]), torch.dstack([a, b])), V, V),
    _case("cat with an empty", lambda a: torch.cat([a[:0], a, a.new_zeros(0)]), V),
    _case("pad", lambda a: (F.pad(a, (1, 2)), F.pad(a, (1, 0, 0, 2), value=3.0),
                            F.pad(a, (-1, 1)), F.pad(a, (-1, -1, 0, -1))), M),
    _case("tril", lambda a: (a.tril(), a.triu(), a.tril(-1), a.triu(1), a.tril(1)), M),
    _case("tril batched", lambda a: a.tril() + a.triu(1), (2, 3, 3)),
    _case("repeat", lambda a: (a.repeat(2), a.repeat(2, 3), a.tile((2,)),
                               a.repeat_interleave(3)), V),
    _case("repeat_interleave", lambda a: a.repeat_interleave(torch.tensor([1, 0, 2, 3, 1])), V),
    _case("unfold", lambda a: (a.unfold(0, 3, 1), a.unfold(0, 2, 2)), (8,)),
    _case("unfold of a matrix", lambda a: a.unfold(1, 2, 1), M),
    _case("as_strided", lambda a: (a.as_strided((3, 3), (1, 1)), a[1:].as_strided((2,), (2,), 1)),
          V),
    _case("meshgrid", lambda a, b: torch.meshgrid(a, b, indexing="ij"), (3,), (4,)),
    _case("broadcast_to", lambda a: torch.broadcast_to(a, (3, 5)), V),
    _case("contiguous", lambda a: (a.T.contiguous(), a.T.clone(), a.detach() + a), M),
    _case("unflatten", lambda a: (a.unflatten(1, (2, 2)), a.ravel()), M),
    _case("cartesian", lambda a, b: (torch.block_diag(a, b), torch.cartesian_prod(a[0], b[0])),
          (2, 2), (2, 3)),
    _case("constant output", lambda a: (DATA, DATA.flip(0), a), V),
    _case("output of data's shape", lambda a: a * 0 + DATA, V),
    _case("the input itself", lambda a: (a, a[::2], a.T if a.dim() > 1 else a), V),
]

INDEXING = [
    _case("index", lambda a: (a[INDEX], a[INDEX, :], a[[0, 2]], a[torch.tensor(1)]), (5, 3)),
    _case("index of columns", lambda a: (a[:, ROWS[:3]], a[:, [3, 1]]), M),
    _case("index pairs", lambda a: (a[ROWS[:3], [0, 1, 3]], a[[[0], [1]], [1, 2]]), M),
    _case("index with a gap", lambda a: a[[0, 1], :, [2, 3]], T3),
    _case("index negative", lambda a: (a[[-1, 0, -2]], a[-1]), V),
    _case("index steps", lambda a: (a[torch.arange(0, 5, 2)], a[torch.arange(4, -1, -1)],
                                    a[torch.tensor([1, 1, 1])]), V),
    _case("index of a step down", lambda a: a.flip(0)[torch.arange(4, -1, -2)].exp(), V),
    _case("index by a mask", lambda a: (a[MASK], a[MASK].sum(), a[~MASK]), V),
    _case("index by a matrix mask", lambda a: a[torch.eye(4) > 0], SQ),
    _case("masked_select", lambda a: a.masked_select(MASK), V),
    _case("index_select", lambda a: (a.index_select(0, ROWS), a.index_select(1, ROWS)), M),
    _case("take", lambda a: (a.take(torch.tensor([0, 5, 2])), a.take_along_dim(ROWS[None], 1)), M),
    _case("gather", lambda a: (a.gather(0, torch.tensor([[0, 2, 1, 0]])),
                               a.gather(1, torch.tensor([[0], [3], [3]]))), M),
    _case("gather batched", lambda a: a.gather(2, torch.tensor([[[0, 3]] * 3] * 2)), T3),
    _case("embedding", lambda a: F.embedding(INDEX, a), (5, 2)),
    _case("scatter_add", lambda a, b: (a.scatter_add(0, INDEX, b), a.index_add(0, INDEX, b)), V, V),
    _case("scatter", lambda a, b: (a.scatter(0, torch.tensor([3, 1]), b[:2]),
                                   a.scatter(0, torch.tensor([3, 1]), 7.0)), V, V),
    _case("index_put", lambda a, b: (
        a.index_put((torch.tensor([3, 1]),), b[:2]), a.index_put((INDEX,), b, accumulate=True),
        a.index_put((torch.tensor([3, 1]),), torch.tensor(2.0, dtype=f64))), V, V),
    _case("index_copy", lambda a, b: (a.index_copy(0, torch.tensor([3, 1]), b[:2]),
                                      a.index_fill(0, torch.tensor([3, 1]), 2.0)), V, V),
    _case("select_scatter", lambda a, b: (
        a.select_scatter(b[0], 0, 1), a.slice_scatter(b[:1], 0, 1, 2),
        a.diagonal_scatter(b[0, :3])), M, M),
    _case("index by values", lambda a, b: a[(b.abs() * 2).long()], V, (7,)),
    _case("gather by values", lambda a, b: a.gather(0, (b.abs() * 2).long()), V, (7,)),
    _case("bucketize", lambda a: DATA.exp()[torch.bucketize(a.clamp(-1.4, 2.4), DATA)], (7,)),
    _case("searchsorted", lambda a: torch.searchsorted(DATA, a), (7,)),
    _case("one_hot", lambda a: F.one_hot(ROWS, 3) * a[:, None], (4,)),
    _case("group sums", lambda a: torch.zeros(3, dtype=f64).index_add(0, ROWS, a), (4,)),
    _case("segment_reduce", lambda a: torch.zeros(3, dtype=f64).scatter_reduce(
        0, ROWS, a, "sum"), (4,)),
    _case("vec to tril", lambda a: _tril(a, 3), (6,)),
    _case("tril to vec", lambda a: a[torch.tril_indices(3, 3)[0], torch.tril_indices(3, 3)[1]],
          (3, 3)),
    _case("mixture of views", lambda a: a[:, ROWS].T[1:].flip(0).reshape(-1)[::3], M),
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
    _case("fill in a loop", _fill_in_place, V),
    _case("rows in place", _scale_rows, M),
    _case("transposed in place", _transposed_write, M),
    _case("methods in place", _many_methods, V, low=0.2, high=2),
    _case("scatter in place", _scatter_in_place, V),
    _case("mask in place", lambda a: _masked_write(a), V),
    _case("squeeze in place", lambda a: a.clone().unsqueeze_(0).squeeze_(-1).t_(), (4, 1)),
    _case("integers in place", lambda a: _integer_write(a), V),
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
    _case("cholesky", lambda a: (torch.linalg.cholesky(_definite(a)),
                                 torch.linalg.cholesky(_definite(a), upper=True)), SQ, rtol=1e-9),
    _case("cholesky of one", lambda a: torch.linalg.cholesky(a * a + 1), (1, 1)),
    _case("cholesky batched", lambda a: torch.linalg.cholesky(_definite(a)), (2, 3, 3), rtol=1e-9),
    _case("solve_triangular", lambda a, b: (
        torch.linalg.solve_triangular(_lower(a), b, upper=False),
        torch.linalg.solve_triangular(_lower(a).T, b, upper=True),
        torch.linalg.solve_triangular(_lower(a), b.T, upper=False, left=False),
        torch.linalg.solve_triangular(_lower(a), b, upper=False, unitriangular=True)),
        SQ, (4, 2), rtol=1e-9),
    _case("solve_triangular batched", lambda a, b: torch.linalg.solve_triangular(
        _lower(a), b, upper=False), (2, 3, 3), (3, 2), rtol=1e-9),
    _case("triangular_solve", lambda a, b: (
        torch.triangular_solve(b, _lower(a), upper=False)[0],
        torch.triangular_solve(b, _lower(a), upper=False, transpose=True)[0]), SQ, (4, 2),
        rtol=1e-9),
    _case("cholesky_solve", lambda a, b: (torch.cholesky_solve(b, _lower(a)),
                                          torch.cholesky_solve(b, _lower(a).T, upper=True)),
          SQ, (4, 2), rtol=1e-9),
    _case("cholesky_inverse", lambda a: torch.cholesky_inverse(_lower(a)), SQ, rtol=1e-9),
    _case("solve", lambda a, b: (torch.linalg.solve(_definite(a), b),
                                 torch.linalg.solve(_definite(a), b[:, 0])), SQ, (4, 2), rtol=1e-9),
    _case("solve batched", lambda a, b: torch.linalg.solve(_definite(a), b), (2, 3, 3), (2, 3, 2),
          rtol=1e-9),
    _case("inv", lambda a: torch.linalg.inv(a + 5 * EYE), SQ, rtol=1e-9),
    _case("det", lambda a: (torch.linalg.det(a + 3 * EYE), torch.logdet(_definite(a)),
                            *torch.linalg.slogdet(a + 3 * EYE)), SQ, rtol=1e-9),
    _case("slogdet of a permuted matrix", lambda a: torch.linalg.slogdet(a.flip(0) * 3 - EYE), SQ,
          rtol=1e-8),
    _case("matrix_power", lambda a: torch.linalg.matrix_power(a, 3), SQ),
    _case("cross", lambda a, b: torch.linalg.cross(a, b), (2, 3), (2, 3)),
    _case("matrix norms", lambda a: (torch.linalg.matrix_norm(a), torch.trace(a @ a)), SQ),
    _case("mahalanobis", lambda a, x: torch.distributions.MultivariateNormal(
        torch.zeros(4, dtype=f64), scale_tril=_lower(a), validate_args=False).log_prob(x),
        SQ, (3, 4), rtol=1e-9),
]

CASES = [
    *UNARY, *POWERS, *BINARY, *REDUCTIONS, *PRODUCTS, *VIEWS, *INDEXING, *IN_PLACE,
    *LINEAR_ALGEBRA,
]  # fmt: skip
