"""Bands and tests for ranks: exact probabilities, against enumeration and simulation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from probgen.studies.ecdf import band, counts_below, p_value, staying_probability
from probgen.studies.sbc.statistics import Scalar, coverage_of, holm, statistics_of


def test_staying_probability_is_that_of_enumeration():
    lower, upper = np.array([0, 1, 1]), np.array([2, 3, 3])
    inside = [
        bool(((below := counts_below(np.array(ranks), 3)) >= lower).all()
             and (below <= upper).all())
        for ranks in itertools.product(range(4), repeat=4)
    ]  # fmt: skip
    assert staying_probability(lower, upper, 4) == pytest.approx(np.mean(inside), rel=1e-12)


def test_p_values_of_uniform_ranks_are_uniform():
    rng = np.random.default_rng(1)
    found = np.array([p_value(rng.integers(0, 40, 150), 39) for _ in range(2000)])
    for level in (0.01, 0.1, 0.5):
        error = np.sqrt(level * (1 - level) / 2000)
        assert (found <= level).mean() < level + 4 * error
        assert (found <= level).mean() > 0.6 * level - 4 * error  # counts are discrete


def test_the_band_holds_uniform_ranks_as_often_as_it_says():
    rng = np.random.default_rng(2)
    lower, upper = band(150, 39, 0.9)
    inside = []
    for _ in range(2000):
        below = counts_below(rng.integers(0, 40, 150), 39)
        inside.append(bool(((below >= lower) & (below <= upper)).all()))
    assert np.mean(inside) == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("power", [0.6, 1.6])
def test_ranks_that_are_not_uniform_have_small_p_values(power):
    ranks = (np.random.default_rng(3).random(300) ** power * 120).astype(int)
    assert p_value(ranks, 119) < 1e-4


def test_holm_is_the_stepped_correction():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03])), [0.03, 0.06, 0.06])


def test_coverage_and_shape_of_a_narrow_posterior():
    rng = np.random.default_rng(4)
    truth = rng.standard_normal(400)
    draws = 0.5 * rng.standard_normal((119, 400))
    ranks = (draws < truth).sum(axis=0)
    scalar = Scalar("x", ranks, truth, np.zeros(400), np.full(400, 0.5))
    row = statistics_of([scalar], 119).loc["x"]
    assert row["shape"] == "posterior too narrow"
    assert row["p_adjusted"] < 1e-6
    assert row["z_sd"] == pytest.approx(2, abs=0.2)
    assert row["contraction"] == pytest.approx(0.75, abs=0.1)
    half = coverage_of(scalar, 119)[0]
    assert half["coverage"] == pytest.approx(0.264, abs=0.08)  # P(|N(0,1)| < 0.5 * 0.6745)
    assert half["z"] < -5
