"""Element-wise functions that the compiler must reproduce: one line each."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tests.compile.compiled import case

f64 = torch.float64
V, M = (5,), (3, 4)
MASK = torch.tensor([True, False, True, True, False])
DATA = torch.linspace(-1.5, 2.5, 5, dtype=f64)
COUNTS = torch.arange(-6, 36).reshape(2, 21)


def _unary(names, **options):
    """Each on a scalar, a vector, a transposed matrix, every other column and a flip at once."""
    return [
        case(name, _everywhere(_function(name)), (), V, M, **options) for name in names.split()
    ]


def _everywhere(f):
    return lambda a, b, c: (f(a), f(b), f(c.T), f(c[:, ::2]), f(b.flip(0)), f(c[:1]))


def _function(name):
    return next(getattr(m, name) for m in (torch, torch.special, F) if hasattr(m, name))


UNARY = [
    *_unary(
        "neg exp exp2 expm1 abs sign sgn sin cos tan sinh cosh tanh atan asinh erf erfc square "
        "sigmoid softplus logsigmoid relu silu gelu elu leaky_relu selu softsign hardtanh sinc "
        "celu mish positive deg2rad rad2deg ndtr log_ndtr entr i0 i0e i1 i1e "
        "erfcx"
    ),
    *_unary("floor ceil trunc round frac"),
    *_unary("log log2 log10 log1p sqrt rsqrt reciprocal lgamma", low=0.1, high=4),
    # torch's own trigamma, the derivative, has nine digits
    *_unary("digamma", low=0.1, high=4, rtol=1e-8),
    *_unary("acosh", low=1.2, high=4),
    *_unary("asin acos atanh erfinv", low=-0.9, high=0.9),
    *_unary("logit ndtri", low=0.02, high=0.98),
    case("trigamma", lambda x: torch.polygamma(1, x.detach()) + x, V, low=0.1, high=4, rtol=1e-8),
    case("lgamma of negatives", torch.lgamma, (40,), low=-6, high=0),
    case("digamma of negatives", torch.digamma, (40,), low=-6, high=0, rtol=1e-8),
    case("mvlgamma", lambda x: torch.special.multigammaln(x, 3), V, low=1.5, high=6),
    case("isnan", lambda x: (x.log().isnan(), x.log().isinf(), (1 / x).isfinite()), V),
    case("nan_to_num", lambda x: torch.nan_to_num(x.log(), nan=7.0), V),
    case("threshold", lambda x: F.threshold(x, 0.5, -1.0), V),
    case("tanhshrink", lambda x: (F.tanhshrink(x), F.softplus(x, beta=2)), V),
    case("prelu", lambda x, w: F.prelu(x, w), M, (1,)),
]

POWERS = [
    case(f"pow {p}", lambda x, p=p: x**p, V, low=0.2, high=3)
    for p in (0, 1, 2, 3, 4, 5, 0.5, -0.5, 1.5, -1, -2, -3, 0.3)
] + [
    case("pow of negatives", lambda x: (x**2, x**3, x**4, x**5, x**-1, x**-2), V),
    case("pow tensor", lambda x, y: x**y, M, (4,), low=0.2, high=3),
    case("pow of a number", lambda x: 2.5**x, V),
    case("pow of zero", lambda x: (x - x) ** 2 + (x - x) ** 3, V),
    case("pow of counts", lambda x, y: (x**COUNTS, y.T ** COUNTS.double()[:, ::4]), (21,), (6, 2)),
    case("float_power", lambda x: torch.float_power(x, 3), V),
]

BINARY = [
    case("add broadcast", lambda a, b, c: a + b + c, (3, 1), (4,), ()),
    case("add alpha", lambda a, b: torch.add(a, b, alpha=2.5), V, ()),
    case("sub alpha", lambda a, b: torch.sub(a, b, alpha=2.5), V, V),
    case("rsub", lambda a: (1 - a, torch.rsub(a, 2.0, alpha=3)), V),
    case("mul broadcast", lambda a, b: a * b, (3, 1), (1, 4)),
    case("div broadcast", lambda a, b: a / b, M, (3, 1), low=0.3, high=2),
    case("div by numbers", lambda a: (a / 3, 3 / a, a / DATA[0]), V, low=0.3, high=2),
    case(
        "floor division",
        lambda a: (
            torch.div(a, 0.7, rounding_mode="floor"),
            torch.div(a, 0.7, rounding_mode="trunc"),
            a.detach() // 0.7,
        ),
        V,
    ),
    case(
        "remainder",
        lambda a, b: (
            a % 0.7,
            torch.fmod(a, 0.7),
            torch.fmod(a, b.abs() + 0.1),
            torch.remainder(a, b.abs()),
        ),
        V,
        V,
    ),
    case("maximum", lambda a, b: (torch.maximum(a, b), torch.minimum(a, b)), M, (4,)),
    case("fmax", lambda a, b: (torch.fmax(a, b), torch.fmin(a, b)), M, (4,)),
    case(
        "clamp",
        lambda a: (
            a.clamp(-1, 1),
            a.clamp(min=0),
            a.clamp(max=0.5),
            a.clamp_min(0.1),
            a.clamp_max(0.2),
        ),
        M,
    ),
    case(
        "clamp tensors",
        lambda a, b: (a.clamp(b - 1, b + 1), a.clamp(min=b), a.clamp(max=b)),
        M,
        (4,),
    ),
    case(
        "comparisons",
        lambda a, b: (a < b, a <= b, a > b, a >= b, a == b, a != b, a > 0.5),
        M,
        (4,),
    ),
    case(
        "logic",
        lambda a, b: (
            (a > 0) & (b > 0),
            (a > 0) | (b > 0),
            (a > 0) ^ (b > 0),
            ~(a > 0),
            torch.logical_and(a > 0, b > 0),
            torch.logical_or(a > 0, b > 0),
            torch.logical_xor(a > 0, b > 0),
            torch.logical_not(a > 0),
            torch.logical_not(a),
        ),
        M,
        (4,),
    ),
    case(
        "arithmetic of truths",
        lambda a: (
            (a > 0) * 2,
            (a > 0) + (a > 1),
            (a > 0) * a,
            (a > 0).sum(),
            (a > 0).double().mean(),
        ),
        M,
    ),
    case(
        "integers",
        lambda a: (
            a.long() + 2,
            a.long() // 2,
            a.int() * a,
            -a.long(),
            a.long().abs(),
            a.long() % 3,
            ~a.long(),
            a.long() & 3,
            a.long() | 1,
            a.long() ^ 5,
        ),
        V,
        low=-6,
        high=6,
    ),
    case(
        "where",
        lambda a, b: (
            torch.where(a > 0, a, b),
            torch.where(a > 0, a, 0.0),
            torch.where(a > 0, 1.0, b),
            torch.where(a > 0, 1.0, 2.0),
            torch.where(a > 0, a > 1, b > 0),
        ),
        M,
        (4,),
    ),
    case("where with data", lambda a: torch.where(MASK, a, DATA), V),
    case("masked_fill", lambda a: (a.masked_fill(MASK, 3.0), a.masked_fill(a > 0, 0.0)), V),
    case("atan2", torch.atan2, V, V),
    case("hypot", torch.hypot, V, V),
    case("logaddexp", lambda a, b: (torch.logaddexp(a, b), torch.logaddexp2(a, b)), M, (4,)),
    case("xlogy", lambda a, b: (torch.xlogy(a, b), torch.special.xlog1py(a, b)), V, V, low=0.1),
    case(
        "xlogy of zero",
        lambda b: torch.xlogy(torch.tensor([0.0, 1, 2, 0, 3], dtype=f64), b),
        V,
        low=0.1,
    ),
    case("lerp", lambda a, b, w: (torch.lerp(a, b, 0.3), torch.lerp(a, b, w)), V, V, V),
    case(
        "addcmul",
        lambda a, b, c: (torch.addcmul(a, b, c, value=2), torch.addcdiv(a, b, c)),
        V,
        V,
        V,
        low=0.3,
    ),
    case("copysign", lambda a, b: torch.copysign(a, b), V, V),
    case("heaviside", lambda a: torch.heaviside(a.detach(), DATA) + a, V),
    case("ldexp", lambda a: torch.ldexp(a, torch.tensor(3)), V),
    case(
        "betaln",
        lambda a, b: torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b),
        V,
        V,
        low=0.1,
    ),
    case(
        "constant like",
        lambda a: (
            torch.zeros_like(a) + a,
            torch.ones_like(a) * a,
            torch.full_like(a, 2.5) * a,
            a.new_zeros(5),
            a.new_full((5,), 3.0),
            a.new_ones(5),
            torch.empty_like(a).fill_(2.0),
        ),
        V,
    ),
    case("large integers", lambda a: (a * 10_000_000_000, a * torch.tensor(2**40), a + 2**33), V),
    case("sizes of one", lambda a, b: (a + b, a * b, torch.maximum(a, b)), (1, 1), (3, 1)),
    case("float32 asked for", lambda a: a.to(f64) + a.double(), V),
]

CASES = [*UNARY, *POWERS, *BINARY]
