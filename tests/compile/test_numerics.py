"""Special functions over sixteen decades, and infinities and NaN through compiled code."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import torch

from tests.compile.compiled import Compiled, case, compile_cases

INF, NAN = math.inf, math.nan
SPECIAL = torch.tensor(
    [0.0, 1.0, -1.0, 0.5, 2.0, INF, -INF, NAN, 1e300, -1e300, 1e-300, 710.0, -750.0, 3.0, 1e-17,
     20.0, 40.0, -40.0, 7.0], dtype=torch.float64,
)  # fmt: skip
RNG = np.random.default_rng(0)
POSITIVE = np.concatenate([10 ** RNG.uniform(-8, 8, 200), RNG.uniform(0, 12, 200)])
NEGATIVE = -np.concatenate([10 ** RNG.uniform(-8, 2, 100), RNG.uniform(0, 12, 100)])
SPREAD = np.concatenate([RNG.uniform(-25, 25, 200), 10 ** RNG.uniform(-8, 8, 50)])
PROBABILITY = np.concatenate([RNG.uniform(0, 1, 150), 10 ** RNG.uniform(-290, -1, 50)])
INSIDE = np.concatenate([RNG.uniform(-1, 1, 150), 1 - 10 ** RNG.uniform(-14, -1, 50)])


def _normal_quantile(p):
    start = -mpmath.sqrt(-2 * mpmath.log(p)) if p < 0.01 else mpmath.mpf(0)
    if p > 1e-10:
        return mpmath.sqrt(2) * mpmath.erfinv(2 * p - 1)
    return mpmath.findroot(lambda z: mpmath.log(mpmath.ncdf(z)) - mpmath.log(p), start)


def _log_gamma(x):
    return mpmath.re(mpmath.loggamma(x))


def _scaled_bessel(order):
    return lambda x: mpmath.exp(-abs(x)) * mpmath.besseli(order, x)


# name, function, points, exact function, tolerance relative to max(1, |exact|)
FUNCTIONS = [
    ("lgamma", torch.lgamma, POSITIVE, _log_gamma, 2e-14),
    ("lgamma of negatives", torch.lgamma, NEGATIVE, _log_gamma, 2e-14),
    ("digamma", torch.digamma, POSITIVE, mpmath.digamma, 1e-14),
    ("digamma of negatives", torch.digamma, NEGATIVE, mpmath.digamma, 1e-14),
    ("trigamma", lambda x: torch.polygamma(1, x.detach()) + 0 * x, POSITIVE,
     lambda x: mpmath.polygamma(1, x), 1e-14),
    ("erfcx", lambda x: torch.special.erfcx(x), SPREAD,
     lambda x: mpmath.exp(x * x) * mpmath.erfc(x), 2e-13),
    ("log_ndtr", torch.special.log_ndtr, SPREAD, lambda x: mpmath.log(mpmath.ncdf(x)), 1e-14),
    ("ndtri", torch.special.ndtri, PROBABILITY, _normal_quantile, 1e-14),
    ("erfinv", torch.erfinv, INSIDE, mpmath.erfinv, 1e-14),
    ("i0e", torch.special.i0e, SPREAD, _scaled_bessel(0), 1e-14),
    ("i1e", torch.special.i1e, SPREAD, _scaled_bessel(1), 1e-14),
    ("expm1", torch.expm1, SPREAD[:200], mpmath.expm1, 1e-14),
    ("log1p", torch.log1p, POSITIVE, mpmath.log1p, 1e-14),
    ("softplus", torch.nn.functional.softplus, SPREAD,
     lambda x: mpmath.log1p(mpmath.exp(x)) if x < 700 else x, 1e-14),
]  # fmt: skip

# Functions whose values at infinities and NaN must be torch's.
AT_SPECIAL = {
    "exp": torch.exp, "log": torch.log, "sqrt": torch.sqrt, "log1p": torch.log1p,
    "expm1": torch.expm1, "lgamma": lambda x: torch.lgamma(x.clamp(min=-1)),
    "digamma": lambda x: torch.digamma(x.clamp(min=0.25)), "tanh": torch.tanh,
    "sigmoid": torch.sigmoid, "softplus": torch.nn.functional.softplus,
    "logsigmoid": torch.nn.functional.logsigmoid, "erf": torch.erf, "erfc": torch.erfc,
    "reciprocal": torch.reciprocal, "square": torch.square, "abs": torch.abs,
    "maximum": lambda x: torch.maximum(x, x.flip(0)),
    "minimum": lambda x: torch.minimum(x, x.flip(0)),
    "fmax": lambda x: torch.fmax(x, x.flip(0)), "clamp": lambda x: x.clamp(-2, 3),
    "relu": torch.relu, "sign": torch.sign, "isnan": torch.isnan, "isinf": torch.isinf,
    "isfinite": torch.isfinite, "nan_to_num": torch.nan_to_num, "comparisons": lambda x: (
        (x < 1).double() + 2 * (x <= x.flip(0)) + 4 * (x == x) + 8 * (x != x) + 16 * (x > INF)),
    "where": lambda x: torch.where(x > 0, x, -x),
    "where not": lambda x: torch.where(x.isnan(), 0.0, x),
    "sum": lambda x: torch.stack([x.sum(), x[:6].sum(), x[5:7].sum(), x[10:].sum(), x[6:7].sum()]),
    "amax": lambda x: torch.stack([x.amax(), x[:7].amax(), x[:7].amin(), x[8:].amax()]),
    "cumsum": lambda x: x.cumsum(0), "logsumexp": lambda x: torch.stack(
        [x[:6].logsumexp(0), x[8:].logsumexp(0), x[6:7].logsumexp(0), x.logsumexp(0)]),
    "logcumsumexp": lambda x: torch.cat([x[6:7], x[:5], x[8:]]).logcumsumexp(0),
    "softmax": lambda x: torch.cat([x[8:].softmax(0), x[:6].softmax(0)]),
    "xlogy": lambda x: torch.xlogy(x, x.flip(0)), "xlogy of zero": lambda x: torch.xlogy(x * 0, x),
    "logaddexp": lambda x: torch.logaddexp(x, x.flip(0)),
    "infinite difference": lambda x: x - x,
    "ndtri": torch.special.ndtri, "erfinv": torch.erfinv,
    "atan2": lambda x: torch.atan2(x.abs(), x.flip(0)),
    "remainder": lambda x: torch.remainder(x.clamp(-50, 50), 7),
    "argmax": lambda x: torch.stack([x.argmax(), x[:7].argmax(), x[8:].argmin()]),
    "inverse": lambda x: torch.linalg.inv_ex(x[:4].reshape(2, 2))[0],
}  # fmt: skip


@pytest.fixture(scope="module")
def compiled() -> dict[str, Compiled]:
    exact = [case(name, function, points.shape) for name, function, points, _, _ in FUNCTIONS]
    special = [case(f"special {name}", f, SPECIAL.shape) for name, f in AT_SPECIAL.items()]
    return compile_cases([*exact, *special])


@pytest.mark.parametrize("row", FUNCTIONS, ids=lambda row: row[0])
def test_special_functions_are_exact(compiled, row):
    name, _, points, exact, tolerance = row
    values = compiled[name]([torch.from_numpy(points)])["out:0"]
    with mpmath.workdps(40):
        expected = [exact(mpmath.mpf(float(x))) for x in points]
        errors = [
            float(abs(mpmath.mpf(float(value)) - truth) / max(1, abs(truth)))
            for value, truth in zip(values, expected, strict=True)
        ]
    worst = int(np.argmax(errors))
    assert errors[worst] < tolerance, f"at {points[worst]}"


@pytest.mark.parametrize("name", AT_SPECIAL)
def test_infinities_and_nan_are_torch_s(compiled, name):
    values = compiled[f"special {name}"]([SPECIAL])["out:0"]
    expected = AT_SPECIAL[name](SPECIAL).double().numpy()
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-13)


def test_a_failed_factorisation_is_nan(compiled):
    values = compile_cases([case("", lambda a: torch.linalg.cholesky(a), (2, 2))])[""]
    indefinite = torch.tensor([[1.0, 2.0], [2.0, 1.0]], dtype=torch.float64)
    assert math.isnan(float(values([indefinite])["value"]))


def test_an_index_out_of_range_is_nan_and_harmless():
    table = torch.arange(5, dtype=torch.float64)
    compiled = compile_cases([case("", lambda a, b: a[b.long()] * 2, (5,), (6,), high=0)])[""]
    wild = torch.tensor([1e300, -1e300, NAN, 5.0, -6.0, -5.0], dtype=torch.float64)
    values = compiled([table, wild])["out:0"]
    assert np.isnan(values[[0, 1, 3, 4]]).all()
    assert values[5] == 0.0
