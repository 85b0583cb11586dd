"""Laplace's approximation: exact for normals, judged by Pareto k elsewhere."""

from __future__ import annotations

import json
import math

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

import probgen as pg
from probgen.errors import InitialisationError, OptionError, SamplingError
from probgen.inference.laplace import Laplace, find_peak
from probgen.inference.optimise.normal import DenseNormal
from tests.inference.conformance import check_moments, run
from tests.inference.densities import TestDensity, native_density
from tests.inference.targets import CORRELATED, GAUSSIAN, HEAVY_TAILED, TRUNCATED, Target
from tests.inference.test_nuts import CENTRED_FUNNEL

NO_WARMUP = {"warmup": 0}


def check_exact(target: Target, covariance: np.ndarray) -> None:
    """Mean, covariance, evidence and density of the draws, all to one in a million."""
    result = run(Laplace(), target.native(), draws=500, **NO_WARMUP)
    peak = find_peak(target.native(), np.ones((1, target.dim)), 1000)
    scale = np.outer(target.sd, target.sd)
    np.testing.assert_allclose((peak.mode.position - target.mean) / target.sd, 0, atol=1e-6)
    found = peak.normal.factor @ peak.normal.factor.T
    np.testing.assert_allclose(found / scale, covariance / scale, rtol=1e-6, atol=1e-6)
    evidence = 0.5 * (target.dim * math.log(2 * math.pi) + np.linalg.slogdet(covariance)[1])
    assert result.summary["log_evidence"] == pytest.approx(evidence, abs=1e-6)
    assert result.summary["log_evidence_importance"] == pytest.approx(evidence, abs=1e-6)
    gap = result.stats["lp"] - result.stats["log_q"]
    np.testing.assert_allclose(gap, evidence, atol=1e-6)
    assert result.summary["pareto_k"] == 0
    check_moments(result.unconstrained, target.mean, target.sd)


def equal_correlations(dim: int = 10, rho: float = 0.95) -> np.ndarray:
    return (1 - rho) * np.eye(dim) + rho


def test_exact_for_normals():
    check_exact(GAUSSIAN, np.diag(GAUSSIAN.sd**2))
    check_exact(CORRELATED, equal_correlations())


def test_a_missing_log_determinant_is_noticed(monkeypatch):
    monkeypatch.setattr(DenseNormal, "log_determinant", 0.0)
    with pytest.raises(AssertionError):
        check_exact(CORRELATED, equal_correlations())


def test_draws_and_stats():
    result = run(Laplace(), HEAVY_TAILED.native(), chains=2, draws=50, **NO_WARMUP)
    assert result.unconstrained.shape == (2, 50, 3)
    lp = [HEAVY_TAILED.python(q)[0] for q in result.unconstrained.reshape(-1, 3)]
    np.testing.assert_allclose(result.stats["lp"].ravel(), lp)
    assert result.summary["approximation"] is True
    json.dumps(result.summary)


def test_importance_weights_correct_the_draws():
    """A Student-t of five degrees: its normal at the mode has variance 5/6, it has 5/3."""
    plain, corrected = (
        run(Laplace(resample=resample), HEAVY_TAILED.native(), draws=5000, **NO_WARMUP)
        for resample in (False, True)
    )
    variances = [r.unconstrained.var(axis=(0, 1)) for r in (plain, corrected)]
    np.testing.assert_allclose(variances[0], 5 / 6, rtol=0.05)
    assert (variances[1] > 1.2 * variances[0]).all()


def test_the_posterior_of_a_program():
    """A Gamma(10) rate on the log scale: mode and curvature in closed form."""

    def program():
        rate = pyro.sample("rate", dist.Gamma(2.0, 1.0))
        pyro.sample("y", dist.Poisson(rate), obs=torch.tensor(8.0))

    tree = pg.infer(program, Laplace(), seed=1, progress=False)
    log_rate = tree["unconstrained_posterior"]["rate"].values
    check_moments(log_rate[..., None], [math.log(10 / 2)], [10**-0.5])
    # log of the integral of rate^9 exp(-2 rate) / 8! over its Laplace approximation
    truth = math.lgamma(10) - 10 * math.log(2) - math.lgamma(9)
    assert tree.attrs["log_evidence"] == pytest.approx(truth, abs=0.01)
    assert tree.attrs["log_evidence_importance"] == pytest.approx(truth, abs=0.01)
    assert tree.attrs["pareto_k"] < 0.7


RIDGE = "grad[0] = -q[0]; grad[1] = 0; return -0.5 * q[0] * q[0];"
SADDLE = """
    grad[0] = -q[0];
    grad[1] = q[1] - q[1] * q[1] * q[1];
    return -0.5 * q[0] * q[0] + 0.5 * q[1] * q[1] - 0.25 * q[1] * q[1] * q[1] * q[1];"""


@pytest.mark.parametrize("body", [RIDGE, SADDLE])
def test_flat_directions_are_named(body):
    result = run(Laplace(), native_density(2, body), draws=200, initial=[1.0, 0.0], **NO_WARMUP)
    (note,) = [n for n in result.summary["notes"] if "not negative definite" in n]
    assert "x[1]" in note
    assert "log_evidence" not in result.summary
    assert result.summary["pareto_k"] == math.inf
    assert np.isfinite(result.unconstrained).all()
    assert result.unconstrained[..., 0].std() == pytest.approx(1, abs=0.15)


def test_no_mode():
    with pytest.raises(SamplingError, match=r"No mode was found.*mostly along x\[0\]"):
        run(Laplace(max_iterations=500), native_density(10, CENTRED_FUNNEL), **NO_WARMUP)


def test_a_mode_at_the_edge():
    def edge(q):
        return (q[0], np.ones(1)) if q[0] < 1 else (np.nan, np.full(1, np.nan))

    with pytest.raises(SamplingError, match="lies at an edge"):
        run(Laplace(), TestDensity(1, edge), initial=[0.0], **NO_WARMUP)


def test_a_start_without_density():
    with pytest.raises(InitialisationError, match="Start 0 has no finite log density"):
        run(Laplace(), TRUNCATED.native(), initial=[2.0], **NO_WARMUP)


def test_same_seed_same_draws():
    def draws(seed: int, threads: int = 1) -> np.ndarray:
        return run(Laplace(), HEAVY_TAILED.native(), seed=seed, draws=10, threads=threads,
                   initial=np.ones(3), **NO_WARMUP).unconstrained  # fmt: skip

    np.testing.assert_array_equal(draws(1), draws(1, 2))
    assert (draws(1) != draws(2)).all()


def test_no_draws():
    result = run(Laplace(), HEAVY_TAILED.native(), draws=0, warmup=1)
    assert result.unconstrained.shape == (4, 0, 3)
    assert "log_evidence" in result.summary


@pytest.mark.parametrize(
    ("options", "message"),
    [({"max_iterations": 0}, "max_iterations=0"), ({"resample": "yes"}, "resample='yes'")],
)
def test_settings_out_of_range(options, message):
    with pytest.raises(OptionError, match=message):
        Laplace(**options)


def test_too_many_coordinates():
    density = TestDensity(2001, lambda q: (0.0, q))
    with pytest.raises(OptionError, match="2001 coordinates"):
        run(Laplace(), density, **NO_WARMUP)
