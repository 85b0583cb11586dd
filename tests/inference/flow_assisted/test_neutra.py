"""NeuTra samples the right density whatever its flow is worth, and says when that is nothing."""

from __future__ import annotations

import types

import numpy as np
import pytest
import torch

import probgen as pg
from probgen.errors import InitialisationError, OptionError
from probgen.inference.flow_assisted import guard, neutra_run
from probgen.inference.flow_assisted.weights import FLOW
from probgen.inference.variational.svi import SVI
from probgen.studies.ladder import resume
from probgen.studies.ladder.targets import TARGETS
from tests.inference.conformance import check_moments, conforms, run
from tests.inference.flow_assisted.guides import random_guide
from tests.inference.flow_assisted.modes import TWO, density_with, membership
from tests.inference.targets import BOUNDED, EASY, SKEWED, TRUNCATED
from tests.inference.test_interrupt import PLENTY, Interrupt, slow_native, slow_python

QUICK = SVI("iaf", steps=60, particles=32, transforms=2, hidden=(8,))


def quick(**settings):
    return pg.NeuTra(**{"guide": QUICK, "fall_back": False, **settings})


@pytest.mark.parametrize("target", EASY, ids=lambda target: target.name)
def test_conforms_with_a_flow_that_has_hardly_learnt(target):
    result = conforms(quick(), target, target.native())
    assert result.summary["transport"] == "native"
    assert result.summary["fell_back"] is False


def test_conforms_where_nothing_is_native():
    result = conforms(
        quick(inner=pg.ChEES()), BOUNDED, BOUNDED.eager(), chains=16, draws=120, warmup=100
    )
    assert result.summary["transport"] == "torch"
    assert "not native" in result.summary["transport_reason"]


def test_nan_regions_do_not_bias():
    result = conforms(quick(), TRUNCATED, TRUNCATED.native(), initial=[0.0], draws=2000)
    assert result.stats["diverging"].any()


def through_a_random_flow(monkeypatch, log_dets: float):
    """Draws through a flow that nobody trained, whose log determinant counts so many times."""

    def fitted(*args, **settings):
        found = fit(*args, **settings)
        found.guide = random_guide("iaf", 2)
        whole = found.guide.forward_map

        def forward_map(self, u):
            z, log_det = whole(u)
            return z, log_dets * log_det

        found.guide.forward_map = types.MethodType(forward_map, found.guide)
        return found

    fit = neutra_run.fit_guide
    monkeypatch.setattr(neutra_run, "fit_guide", fitted)
    return run(quick(), SKEWED.native(), draws=4000).unconstrained


def test_an_untrained_flow_gives_right_draws(monkeypatch):
    draws = through_a_random_flow(monkeypatch, 1)
    check_moments(draws, SKEWED.mean, SKEWED.sd, kurtosis=SKEWED.kurtosis)


def test_a_missing_log_determinant_is_noticed(monkeypatch):
    draws = through_a_random_flow(monkeypatch, 0)
    with pytest.raises(AssertionError, match="off by"):
        check_moments(draws, SKEWED.mean, SKEWED.sd, kurtosis=SKEWED.kurtosis)


def test_draws_that_are_not_mapped_are_noticed(monkeypatch):
    monkeypatch.setattr(
        neutra_run.PulledBack, "mapped", lambda self, u: (u, np.zeros(u.shape[:-1]))
    )
    draws = run(quick(), SKEWED.native()).unconstrained
    with pytest.raises(AssertionError, match="off by"):
        check_moments(draws, SKEWED.mean, SKEWED.sd, kurtosis=SKEWED.kurtosis)


def test_lp_is_that_of_the_draw():
    result = run(quick(), SKEWED.native(), draws=5, warmup=20, keep_warmup=True)
    for draws, stats in (
        (result.unconstrained, result.stats),
        (result.warmup_unconstrained, result.warmup_stats),
    ):
        for row, lp in zip(draws.reshape(-1, 2), stats["lp"].ravel(), strict=True):
            assert lp == pytest.approx(SKEWED.python(row)[0], abs=1e-9)


def test_a_mode_that_the_flow_misses_shows_in_the_chains():
    """A flow of one mode looks perfect from inside; the starts of chains must not come from it."""
    starts = [centre for _, centre, _ in TWO] * 2
    draws = run(quick(), density_with(TWO), draws=50, warmup=100, initial=starts).unconstrained
    shares = membership(draws, TWO)[..., 0].mean(axis=1)
    np.testing.assert_array_equal(shares, [1, 0, 1, 0])


def test_same_seed_same_draws():
    def draws(**plan):
        plan = {"draws": 20, "warmup": 50, "initial": [0.5, 0.5], **plan}
        return run(quick(), SKEWED.native(), **plan).unconstrained

    np.testing.assert_array_equal(draws(), draws(threads=2))
    assert not (draws()[0] == draws()[1]).all(axis=-1).any()
    assert not (draws(seed=1) == draws(seed=2)).all(axis=-1).any()


def test_the_training_is_charged():
    density = SKEWED.eager()
    result = run(quick(), density, chains=2, draws=10, warmup=10)
    summary = result.summary
    assert summary["gradient_evaluations"] + summary["gradient_evaluations_warmup"] >= (
        32 * summary["training_steps"]
    )
    assert summary["seconds_warmup"] >= summary["seconds_training"] > 0


def test_a_flow_that_does_worse_is_given_up(monkeypatch):
    monkeypatch.setattr(guard, "pareto_k", lambda pulled, rng: np.inf)
    tried = iter([(guard._Trial(0.001, 0.0), 5), (guard._Trial(0.1, 0.0), 7)])
    monkeypatch.setattr(guard, "_tried", lambda *_: next(tried))
    result = conforms(quick(fall_back=True), SKEWED, SKEWED.native())
    assert result.summary["fell_back"] is True
    assert FLOW not in result.adaptation
    (note,) = result.summary["notes"]
    assert "NUTS alone, without its flow, since Pareto k" in note


@pytest.mark.parametrize(
    ("through", "plain"), [((0.1, 0.0), (0.01, 0.0)), ((0.01, 0.0), (0.1, 0.1))]
)
def test_a_flow_that_does_better_stays_in_spite_of_its_k(monkeypatch, through, plain):
    monkeypatch.setattr(guard, "pareto_k", lambda pulled, rng: 2.0)
    tried = iter([(guard._Trial(*through), 0), (guard._Trial(*plain), 0)])
    monkeypatch.setattr(guard, "_tried", lambda *_: next(tried))
    result = run(quick(fall_back=True), SKEWED.native(), draws=5, warmup=20)
    assert result.summary["fell_back"] is False


def test_the_trial_tells_a_bad_flow():
    """A map that makes a narrow ridge of a normal costs gradients, and its k is hopeless."""
    density = BOUNDED.native()
    guide = neutra_run.fit_guide(density, QUICK, np.zeros((2, 2)), seed=1).guide.requires_grad_(
        False
    )
    with torch.no_grad():
        guide.factor[1, 0], guide.factor[1, 1] = 40.0, 0.05
    pulled = guard.PulledBack(density, guide)
    plan = guard.Plan(4, 100, 100, 1, np.zeros((4, 2)))
    verdict = guard.judge(pg.NUTS(), density, pulled, plan, np.zeros((4, 2)))
    assert verdict.k > 0.7
    assert "effective draws per 1000 gradients" in verdict.reason


def test_a_training_that_diverges_is_given_up(monkeypatch):
    def broken(*args, **settings):
        fitted = fit(*args, **settings)
        fitted.losses[-1] = np.nan
        return fitted

    fit = neutra_run.fit_guide
    monkeypatch.setattr(neutra_run, "fit_guide", broken)
    result = run(quick(fall_back=True), SKEWED.native(), draws=5, warmup=20)
    assert "the training of the flow diverged" in result.summary["notes"][0]


def test_a_run_goes_on_from_what_another_learnt():
    first = run(quick(), SKEWED.native(), draws=50, warmup=200, chains=2)
    again = conforms(
        quick(), SKEWED, SKEWED.native(), warmup=0, seed=2,
        adaptation={n: np.tile(v, (2, *[1] * (v.ndim - 1))) for n, v in first.adaptation.items()},
    )  # fmt: skip
    assert np.array_equal(again.stats["step_size"][:2, 0], first.adaptation["step_size"])
    assert "training_steps" not in again.summary


def test_pieces_and_resumed_runs_have_the_same_bits():
    outcomes = list(resume.climb(quick(), TARGETS[3], 1))
    assert len(outcomes) > 1
    assert [o.passed for o in outcomes] == [True] * len(outcomes), outcomes


def test_interrupted():
    few = quick(guide=SVI("iaf", steps=20, particles=4, transforms=2, hidden=(8,)))
    with Interrupt(lambda progress: progress.iterations[0] > 8) as interrupt:
        result = run(few, slow_native(), draws=PLENTY, warmup=5, progress=interrupt)
    assert result.summary["interrupted"] is True
    assert 0 < result.unconstrained.shape[1] < PLENTY
    long = quick(guide=SVI("iaf", steps=100_000, tolerance=None, transforms=2, hidden=(8,)))
    with Interrupt(lambda progress: True) as interrupt, pytest.raises(KeyboardInterrupt):
        run(long, slow_python(), draws=5, warmup=5, progress=interrupt)


def test_errors():
    with pytest.raises(OptionError, match="inner='NUTS'"):
        pg.NeuTra(inner="NUTS")
    with pytest.raises(OptionError, match="method for densities"):
        pg.NeuTra(inner=pg.Exact())
    with pytest.raises(OptionError, match="guide='mixture'"):
        pg.NeuTra(guide="mixture")
    with pytest.raises(OptionError, match="steps=0"):
        pg.NeuTra(steps=0)
    with pytest.raises(OptionError, match="fall_back"):
        pg.NeuTra(fall_back="yes")
    with pytest.raises(InitialisationError, match="Chain 0"):
        run(quick(), TRUNCATED.native(), initial=[2.0])
    assert pg.NeuTra(inner=pg.ChEES()).defaults["chains"] == 32
