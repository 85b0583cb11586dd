"""Tempered particles find all modes, in the right proportions, and estimate the evidence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import probgen as pg
from probgen.errors import OptionError, SamplingError
from probgen.inference.flow_assisted import tempering
from tests.inference.conformance import check_moments, conforms, run
from tests.inference.densities import TestDensity
from tests.inference.flow_assisted.modes import MANY, TWO, density_with, membership, weights_of
from tests.inference.targets import EASY, SKEWED, TRUNCATED
from tests.inference.test_interrupt import Interrupt, slow_python

CHAINS, SIGMAS = 12, 5.0


@pytest.mark.parametrize("target", EASY, ids=lambda target: target.name)
def test_conforms(target):
    conforms(pg.TemperedSMC(), target, target.native(), draws=1000, warmup=0)


def weights_off(modes, seed: int = 1, count: int = CHAINS) -> tuple[np.ndarray, dict]:
    """Errors of the modes' weights in standard errors, which the chains themselves tell."""
    result = run(
        pg.TemperedSMC(), density_with(modes), chains=count, draws=500, warmup=0, seed=seed
    )
    shares = membership(result.unconstrained, modes).mean(axis=1)
    error = shares.std(axis=0, ddof=1) / np.sqrt(count)
    return (shares.mean(axis=0) - weights_of(modes)) / error, result.summary


@pytest.mark.parametrize("modes", [TWO, MANY], ids=["two", "many"])
def test_modes_have_their_weights_and_the_evidence_is_right(modes):
    off, summary = weights_off(modes)
    assert np.abs(off).max() < SIGMAS
    assert 0 < summary["log_evidence_error"] < 0.05
    assert abs(summary["log_evidence"]) < SIGMAS * summary["log_evidence_error"]


def test_weights_that_are_ignored_are_noticed(monkeypatch):
    """Particles that are not resampled keep to the modes that they fell into."""
    monkeypatch.setattr(tempering, "weighted_rows", lambda weights, count, rng: np.arange(count))
    off, _ = weights_off(TWO)
    assert np.abs(off).max() > SIGMAS


def test_a_wrong_reference_density_is_noticed(monkeypatch):
    """Without its constant the evidence is off; the weights of modes are not."""
    whole = tempering.Reference.value_and_grad

    def without(self, q):
        value, gradient = whole(self, q)
        return value + self.scale.log().sum(), gradient

    monkeypatch.setattr(tempering.Reference, "value_and_grad", without)
    _, summary = weights_off(TWO)
    assert abs(summary["log_evidence"]) > 10 * summary["log_evidence_error"]


def test_the_last_of_too_many_temperatures_is_weighted_for_all_that_is_left(monkeypatch):
    monkeypatch.setattr(tempering, "MOST_TEMPERATURES", 2)
    result = run(
        pg.TemperedSMC(), density_with(TWO), chains=2, draws=2000, warmup=0, seed=1
    )  # fmt: skip
    assert result.summary["temperatures"] == [3, 3]
    assert abs(result.summary["log_evidence"]) < 0.4


def test_nan_regions_do_not_bias():
    conforms(pg.TemperedSMC(), TRUNCATED, TRUNCATED.native(), initial=[0.0], warmup=0)


def test_same_seed_same_draws():
    def draws(**plan):
        plan = {"draws": 50, "warmup": 0, "initial": [0.5, 0.5], **plan}
        return run(pg.TemperedSMC(), SKEWED.native(), **plan).unconstrained

    np.testing.assert_array_equal(draws(), draws(threads=2))
    np.testing.assert_array_equal(draws(chains=2), draws(chains=3)[:2])
    assert not (draws()[0] == draws()[1]).all(axis=-1).any()
    assert not (draws(seed=1) == draws(seed=2)).all(axis=-1).any()


def test_counts_and_shapes():
    density = SKEWED.eager()
    result = run(pg.TemperedSMC(), density, chains=2, draws=3, warmup=7)
    assert result.unconstrained.shape == (2, 3, 2)
    assert result.summary["gradient_evaluations"] == density.calls
    assert run(pg.TemperedSMC(), density, chains=1, draws=0, warmup=7).stats["lp"].shape == (1, 0)
    for row, lp in zip(result.unconstrained[0], result.stats["lp"][0], strict=True):
        assert lp == pytest.approx(SKEWED.python(row)[0], abs=1e-9)


def test_interrupted():
    with Interrupt(lambda progress: True) as interrupt, pytest.raises(KeyboardInterrupt):
        run(pg.TemperedSMC(), slow_python(), draws=50, warmup=0, progress=interrupt)


def test_errors():
    with pytest.raises(OptionError, match="width=0"):
        pg.TemperedSMC(width=0)
    with pytest.raises(OptionError, match="ess_share=1"):
        pg.TemperedSMC(ess_share=1)
    with pytest.raises(OptionError, match="moves=0"):
        pg.TemperedSMC(moves=0)
    nowhere = TestDensity(1, lambda q: (np.nan, q))
    with pytest.raises(SamplingError, match="chain 0"):
        run(pg.TemperedSMC(), nowhere, draws=20)


def test_a_reference_that_is_too_narrow_is_widened():
    wide = TestDensity(1, lambda q: (-0.5 * float(q @ q) / 400, -q / 400))
    result = run(pg.TemperedSMC(width=1.0), wide, chains=6, draws=300, warmup=0)
    check_moments(result.unconstrained, [0.0], [20.0])
    truth = 0.5 * np.log(2 * np.pi * 400)
    assert abs(result.summary["log_evidence"] - truth) < 5 * result.summary["log_evidence_error"]


def test_the_rise_leaves_the_share_that_is_asked_for():
    gain = np.random.default_rng(1).normal(0, 30, 1000)
    rise = tempering._rise(gain, 1.0, 0.7)
    weights = np.exp(rise * gain - (rise * gain).max())
    assert weights.sum() ** 2 / (weights**2).sum() / 1000 == pytest.approx(0.7, abs=1e-3)
    assert tempering._rise(np.zeros(10), 0.25, 0.7) == 0.25
    assert tempering.reference_of(np.array([[1.0], [3.0]]), 0.5).scale == pytest.approx(
        2 * torch.tensor([1.0, 3.0]).std().item()
    )
