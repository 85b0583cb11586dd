"""MAMS: unbiased on every target, by its energy errors alone; adapted in warm-up only."""

from __future__ import annotations

import ctypes
from functools import lru_cache

import numpy as np
import pytest
from scipy.stats import chisquare

from probgen.compile.build import build
from probgen.errors import InitialisationError, OptionError, SamplingError
from probgen.inference.mams import MAMS
from probgen.inference.microcanonical import run as engines
from probgen.inference.native import library
from probgen.inference.native.microcanonical import ENTRY, open_microcanonical
from tests.inference.conformance import check_moments, conforms, make_plan, run
from tests.inference.densities import Native, TestDensity, native_density
from tests.inference.targets import BOUNDED, EASY, SKEWED, TARGETS, TRUNCATED, Target

GUMBEL = """
    double value = 0;
    for (size_t i = 0; i < dim; ++i) {
        const double tail = std::exp(-q[i]);
        grad[i] = tail - 1;
        value -= q[i] + tail;
    }
    return value;"""
GUMBEL_MOMENTS = np.euler_gamma, np.pi / np.sqrt(6)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@pytest.mark.parametrize("settings", [{}, {"metric": "diag", "integrator": "mclachlan"}], ids=str)
def test_conforms(settings, target):
    conforms(MAMS(**settings), target, target.native(), draws=10_000, threads=2)


@pytest.mark.parametrize("target", EASY[2:], ids=lambda target: target.name)
def test_the_numpy_engine_conforms(target):
    conforms(MAMS(), target, target.eager(), draws=500, warmup=300, min_ess=300)


@pytest.mark.parametrize("engine", ["native", "eager"])
def test_nan_regions_do_not_bias(engine):
    density = TRUNCATED.native() if engine == "native" else TRUNCATED.eager()
    draws = 10_000 if engine == "native" else 500
    result = conforms(MAMS(), TRUNCATED, density, initial=[0.0], draws=draws, warmup=400,
                      min_ess=300)  # fmt: skip
    assert result.stats["diverging"].any()
    assert (result.stats["step_size"] > 0.05).all()  # leaving the support says nothing of it


def test_large_steps_do_not_bias():
    """At a fixed, large step half of the trajectories are rejected, and all is well."""
    result = conforms(MAMS(step_size=2.0, length=3.0), BOUNDED, BOUNDED.native(), draws=20_000)
    assert 0.2 < result.stats["acceptance_rate"].mean() < 0.8


@pytest.mark.parametrize("dim", [1, 2, 30])
def test_any_number_of_coordinates(dim):
    """One coordinate has no direction to turn to, and is given another."""
    mean, sd = GUMBEL_MOMENTS
    result = run(MAMS(), native_density(dim, GUMBEL), draws=5000, threads=2)
    assert result.unconstrained.shape == (4, 5000, dim)
    check_moments(result.unconstrained, [mean] * dim, [sd] * dim, kurtosis=[5.4] * dim)
    lp = -(result.unconstrained + np.exp(-result.unconstrained)).sum(axis=-1)
    np.testing.assert_allclose(result.stats["lp"], lp, rtol=1e-12)


def test_scales_apart_by_a_million():
    body = """
    double value = 0;
    for (size_t i = 0; i < dim; ++i) {
        const double scale = std::pow(10.0, double(i) - 3), z = q[i] / scale;
        grad[i] = -z / scale;
        value -= 0.5 * z * z;
    }
    return value;"""
    result = run(MAMS(), native_density(7, body), draws=4000, threads=2)
    check_moments(result.unconstrained, np.zeros(7), 10.0 ** np.arange(-3, 4))


def test_the_acceptance_is_what_was_aimed_at():
    for target in (0.7, 0.9):
        result = run(MAMS(target_accept=target), native_density(20, GUMBEL), draws=2000)
        assert result.stats["acceptance_rate"].mean() == pytest.approx(target, abs=0.06)
    rejected = result.stats["energy_error"] == 0
    moved = (np.diff(result.unconstrained, axis=1) != 0).any(axis=-1)
    np.testing.assert_array_equal(moved, ~rejected[:, 1:])


def test_adaptation_ends_with_warmup():
    result = run(MAMS(), SKEWED.native(), draws=200, warmup=200, keep_warmup=True)
    steps = result.stats["step_size"]
    assert (steps == steps[:, :1]).all()
    assert result.warmup_stats is not None
    assert (np.ptp(result.warmup_stats["step_size"], axis=1) > 0).all()
    np.testing.assert_array_equal(result.adaptation["step_size"], steps[:, 0])
    assert set(result.stats) == {
        "lp", "step_size", "n_steps", "acceptance_rate", "energy_error", "diverging",
    }  # fmt: skip
    assert set(result.warmup_stats) == set(result.stats)


@pytest.mark.parametrize("engine", ["native", "eager"])
def test_every_gradient_is_counted(engine):
    density = SKEWED.native() if engine == "native" else SKEWED.eager()
    result = run(MAMS(), density, chains=2, draws=50, warmup=100, keep_warmup=True)
    assert result.warmup_stats is not None
    summary = result.summary
    assert summary["gradient_evaluations"] == result.stats["n_steps"].sum()
    trajectories = result.warmup_stats["n_steps"].sum()
    assert 0 < summary["gradient_evaluations_warmup"] - trajectories < 2 * 60  # and first steps
    if engine == "eager":
        total = summary["gradient_evaluations"] + summary["gradient_evaluations_warmup"]
        assert density.calls == total


def test_errors():
    for settings in ({"target_accept": 1.0}, {"metric": "dense"}, {"integrator": "euler"},
                     {"step_size": 0.0}, {"length": -1.0}, {"max_energy_error": 0}):  # fmt: skip
        (name,) = settings
        with pytest.raises(OptionError, match=rf"MAMS\({name}="):
            MAMS(**settings)
    with pytest.raises(OptionError, match="draws=-1"):
        run(MAMS(), SKEWED.native(), draws=-1)
    with pytest.raises(InitialisationError, match="Chain 0"):
        run(MAMS(), TRUNCATED.native(), initial=[2.0])
    nowhere = native_density(1, "grad[0] = 0; return q[0] == 0.5 ? 0 : NAN;")
    with pytest.raises(SamplingError, match="No chain ever moved"):
        run(MAMS(), nowhere, initial=[0.5], draws=20, warmup=20)


BROKEN = {
    "no kinetic term in the acceptance": (
        "return kinetic - (x.log_density - before);",
        "return -(x.log_density - before);",
    ),
    "the kinetic term without its factor d - 1": (
        "return freedom * (delta",
        "return (delta",
    ),
    "half the energy change": (
        "change > 0 ? std::exp(-change)",
        "change > 0 ? std::exp(-0.5 * change)",
    ),
    "rejected trajectories are kept": ("rng.uniform() < result.acceptance", "true"),
}


def conforms_at_large_steps(density: TestDensity, target: Target) -> None:
    draws = run(MAMS(step_size=2.0, length=3.0), density, draws=20_000, threads=2).unconstrained
    check_moments(target.observe(draws), target.mean, target.sd, min_ess=100)


@pytest.mark.parametrize(
    "name", [*list(BROKEN)[:1], *(pytest.param(n, marks=pytest.mark.slow) for n in [*BROKEN][1:])]
)
def test_broken_acceptance_is_noticed(monkeypatch, name):
    """Two bounded coordinates hide the factor d - 1: it is looked for in five scaled ones."""
    old, new = BROKEN[name]
    source = library.source(ENTRY)
    assert source.count(old) == 1, "the mutation no longer fits the source"
    target = TARGETS[1] if "factor" in name else BOUNDED
    conforms_at_large_steps(target.native(), target)
    broken = open_microcanonical(source.replace(old, new))
    monkeypatch.setattr(engines, "load_microcanonical", lambda: broken)
    with pytest.raises(AssertionError):
        conforms_at_large_steps(target.native(), target)


NORMAL_SAMPLE = """
#include <cmath>
// y[0..4] ~ Normal(mean, sd), mean ~ Normal(0, 1), log sd ~ Normal(0, 0.5); -1 if alone.
extern "C" __attribute__((visibility("default")))
double sample(const double* q, double* grad, const void* context) {
    const double* y = static_cast<const double*>(context);
    const double precision = std::exp(-2 * q[1]);
    double value = -0.5 * q[0] * q[0] - 2 * q[1] * q[1];
    grad[0] = -q[0];
    grad[1] = -4 * q[1];
    for (int i = 0; i < 5; ++i) {
        const double r = y[i] - q[0];
        value -= 0.5 * r * r * precision + q[1];
        grad[0] += r * precision;
        grad[1] += r * r * precision - 1;
    }
    return value;
}
"""


@lru_cache(maxsize=1)
def normal_sample() -> int:
    function = build(NORMAL_SAMPLE, "test-normal-sample").sample
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def ranks(replications: int, draws: int = 31) -> np.ndarray:
    """Ranks of the parameters that made the data among draws from their posterior."""
    rng, found = np.random.default_rng(8), np.empty((replications, 2), dtype=int)
    for r in range(replications):
        truth = rng.standard_normal(2) * [1, 0.5]
        y = truth[0] + np.exp(truth[1]) * rng.standard_normal(5)
        density = TestDensity(2, lambda q: (np.nan, q), Native(normal_sample(), y.ctypes.data))
        plan = make_plan(density, chains=1, draws=draws, warmup=150, thin=8, seed=r)
        found[r] = (MAMS().run(density, plan).unconstrained[0] < truth).sum(axis=0)
    return found


def test_simulation_based_calibration():
    found = ranks(600)
    for coordinate in range(2):
        counts = np.bincount(found[:, coordinate] // 4, minlength=8)
        assert chisquare(counts).pvalue > 1e-4, counts
