"""Curvature, the normals made from it, their densities, and what is read off importance ratios."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from probgen.inference.optimise.curvature import Curvature
from probgen.inference.optimise.hessian import precision_at
from probgen.inference.optimise.importance import log_mean, notes_on_k, smoothed, weighted_rows
from probgen.inference.optimise.normal import DenseNormal, LowRankNormal, log_mixture
from probgen.inference.optimise.objective import Objective, Place
from tests.inference.targets import BOUNDED, CORRELATED, GAUSSIAN


def precision_of(dim: int, seed: int = 0) -> np.ndarray:
    a = np.random.default_rng(seed).normal(size=(dim, dim))
    return a @ a.T / dim + 0.1 * np.eye(dim)


def learnt(dim: int, steps: int, most: int = 5, seed: int = 1) -> Curvature:
    """Curvature after exact steps on a quadratic."""
    precision, rng = precision_of(dim), np.random.default_rng(seed)
    curvature = Curvature.unknown(dim)
    for _ in range(steps):
        step = rng.normal(size=dim)
        curvature = curvature.learn(step, precision @ step, most)
    return curvature


def check_compact_form(curvature: Curvature) -> None:
    """The compact form is the two-loop recursion, and maps the latest change to its step."""
    outer, inner = curvature.low_rank()
    dense = np.diag(curvature.diagonal) + outer @ inner @ outer.T
    by_columns = np.array([curvature.times(unit) for unit in np.eye(len(dense))])
    np.testing.assert_allclose(dense, by_columns, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        dense @ curvature.changes[-1], curvature.steps[-1], rtol=1e-9, atol=1e-9
    )
    assert np.linalg.eigvalsh(0.5 * (dense + dense.T)).min() > 0


@pytest.mark.parametrize(("dim", "steps"), [(1, 1), (3, 5), (12, 2), (12, 20)])
def test_compact_form(dim, steps):
    curvature = learnt(dim, steps)
    assert curvature.pairs == min(steps, 5)
    check_compact_form(curvature)


def test_a_wrong_sign_of_the_low_rank_term_is_noticed(monkeypatch):
    right = Curvature.low_rank

    def wrong(self):
        outer, inner = right(self)
        return outer, -inner

    monkeypatch.setattr(Curvature, "low_rank", wrong)
    with pytest.raises(AssertionError):
        check_compact_form(learnt(12, 5))


@pytest.mark.parametrize("change", [[-1.0, 0.0], [0.0, 0.0], [np.nan, 1.0], [1e-7, 1e9]])
def test_steps_without_concave_curvature_are_left_out(change):
    before = learnt(2, 2)
    assert before.learn(np.array([1.0, 0.0]), np.array(change), 5) is before


def check_normal(normal, mean, covariance) -> None:
    """Draws have this mean and covariance, and the density is theirs."""
    dim = len(mean)
    colour = normal.coloured(np.eye(dim)) - normal.mean
    np.testing.assert_allclose(normal.mean, mean, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(colour.T @ colour, covariance, rtol=1e-8, atol=1e-8)
    x = normal.coloured(np.random.default_rng(3).standard_normal((20, dim)))
    truth = multivariate_normal(mean, covariance).logpdf(x)
    np.testing.assert_allclose(normal.log_density(x), truth, rtol=1e-9)


@pytest.mark.parametrize(("dim", "steps"), [(1, 1), (3, 5), (12, 2), (12, 20)])
def test_low_rank_normal(dim, steps):
    curvature, rng = learnt(dim, steps), np.random.default_rng(2)
    place = Place(rng.normal(size=dim), 0.0, rng.normal(size=dim))
    normal = LowRankNormal.at(place, curvature)
    outer, inner = curvature.low_rank()
    covariance = np.diag(curvature.diagonal) + outer @ inner @ outer.T
    check_normal(normal, place.position + covariance @ place.gradient, covariance)


def test_dense_normal():
    covariance = np.linalg.inv(precision_of(4))
    mean = np.arange(4.0)
    check_normal(DenseNormal(mean, np.linalg.cholesky(covariance)), mean, covariance)


@pytest.mark.parametrize("kind", [LowRankNormal, DenseNormal])
def test_a_missing_log_determinant_is_noticed(kind, monkeypatch):
    monkeypatch.setattr(kind, "log_determinant", 0.0)
    with pytest.raises(AssertionError):
        (test_dense_normal if kind is DenseNormal else lambda: test_low_rank_normal(3, 5))()


def test_mixture():
    normals = [DenseNormal(np.zeros(1), np.eye(1)), DenseNormal(np.ones(1), 2 * np.eye(1))]
    x = np.array([[0.3], [4.0]])
    truth = np.log(np.mean([np.exp(n.log_density(x)) for n in normals], axis=0))
    np.testing.assert_allclose(log_mixture(normals, x), truth)


@pytest.mark.parametrize("factor", [1.0, 1e-3, 1e3])
def test_precision_by_differences(factor):
    """From guesses of the scale that are wrong by three orders, too."""
    at = np.linspace(-1, 1, 10)
    found = precision_at(Objective(CORRELATED.eager()), at, np.full(10, factor))
    shrink = 0.95 / (1 + 9 * 0.95)
    np.testing.assert_allclose(found, (np.eye(10) - shrink) / 0.05, rtol=1e-8)
    found = precision_at(Objective(GAUSSIAN.eager()), GAUSSIAN.mean, factor * GAUSSIAN.sd)
    np.testing.assert_allclose(found * np.outer(GAUSSIAN.sd, GAUSSIAN.sd), np.eye(5), atol=1e-9)
    p = np.array([0.5, 0.625])
    at = np.log(p / (1 - p))
    found = precision_at(Objective(BOUNDED.eager()), at, np.full(2, factor))
    np.testing.assert_allclose(found, np.diag([2, 8] * p * (1 - p)), rtol=1e-6, atol=1e-9)


def test_pareto_k_of_normal_proposals():
    """A standard normal by normals that are as wide, wider, and much too narrow."""
    z = np.random.default_rng(0).standard_normal(4000)

    def k_of(sd: float) -> float:
        return smoothed(-0.5 * (sd * z) ** 2 + 0.5 * z**2 + math.log(sd))[1]

    assert k_of(1.0) == 0.0
    assert k_of(1.2) < 0.5
    assert k_of(0.4) > 0.7


def test_weights_correct_a_proposal_that_is_too_wide():
    z = 1.5 * np.random.default_rng(0).standard_normal(4000)
    log_ratios = -0.5 * z**2 + 0.5 * (z / 1.5) ** 2 + math.log(1.5)
    weights, _ = smoothed(log_ratios)
    assert weights.sum() == pytest.approx(1)
    assert np.sum(weights * z**2) == pytest.approx(1, abs=5 * 2**0.5 / 2500**0.5)
    assert log_mean(log_ratios) == pytest.approx(0, abs=0.05)
    rows = weighted_rows(weights, 4000, np.random.default_rng(1))
    assert np.mean(z[rows] ** 2) == pytest.approx(np.sum(weights * z**2), abs=0.01)
    counts = np.bincount(rows, minlength=4000)
    assert (np.abs(counts - 4000 * weights) <= 1 + 1e-9).all()


def test_weights_with_a_period_do_not_resonate():
    weights = np.tile([0.5, 1.5], 500) / 1000
    for seed in range(5):
        rows = weighted_rows(weights, 1000, np.random.default_rng(seed))
        assert np.mean(rows % 2) == pytest.approx(0.75, abs=5 * (0.1875 / 1000) ** 0.5)


def test_ratios_of_zero_and_too_few():
    weights, k = smoothed(np.full(100, -np.inf))
    assert (weights == 0.01).all()
    assert k == math.inf
    assert math.isnan(smoothed(np.zeros(10))[1])
    weights, _ = smoothed(np.where(np.arange(100) < 50, -np.inf, 0.0))
    assert (weights[:50] == 0).all()


def test_what_is_said_of_k():
    assert notes_on_k(0.69, "Laplace") == notes_on_k(math.nan, "Laplace") == []
    assert "0.93, above 0.7: the approximation of Laplace" in notes_on_k(0.93, "Laplace")[0]
