"""The skeleton is a sampler like any other: it conforms, repeats itself, and can be stopped."""

from __future__ import annotations

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

import probgen as pg
from probgen.errors import InitialisationError, OptionError, SamplingError
from probgen.inference.skeleton import RandomWalkMetropolis
from tests.inference.conformance import check_moments, conforms, run
from tests.inference.densities import TestDensity
from tests.inference.targets import BOUNDED, EASY, SKEWED, TRUNCATED
from tests.inference.test_interrupt import PLENTY, Interrupt, slow_python


@pytest.mark.parametrize("target", EASY, ids=lambda target: target.name)
def test_conforms(target):
    conforms(RandomWalkMetropolis(), target, target.eager(), draws=6000, min_ess=300)


def test_nan_regions_do_not_bias():
    result = conforms(
        RandomWalkMetropolis(target_accept=0.44), TRUNCATED, TRUNCATED.eager(), initial=[0.0],
        draws=4000,
    )  # fmt: skip
    assert result.stats["diverging"].any()


def test_a_broken_acceptance_is_noticed():
    """The conformance checks have teeth here too: a density that is twice as sharp fails."""
    density = TestDensity(BOUNDED.dim, lambda q: (2 * BOUNDED.python(q)[0], q))
    draws = run(RandomWalkMetropolis(), density, draws=6000).unconstrained
    with pytest.raises(AssertionError, match="off by"):
        check_moments(BOUNDED.observe(draws), BOUNDED.mean, BOUNDED.sd, min_ess=300)


def test_the_scale_is_adapted_in_warmup_only():
    result = run(RandomWalkMetropolis(scale=50.0), SKEWED.eager(), keep_warmup=True)
    steps = result.stats["step_size"]
    assert (steps == steps[:, :1]).all()
    assert steps.max() < 10
    assert result.warmup_stats is not None
    assert (result.warmup_stats["step_size"][:, 0] == 50).all()
    assert result.stats["acceptance_rate"].mean() == pytest.approx(0.3, abs=0.05)
    result = run(RandomWalkMetropolis(scale=0.1), SKEWED.eager(), warmup=0, draws=20)
    assert (result.stats["step_size"] == 0.1).all()


def test_same_seed_same_draws():
    def draws(**plan):
        plan = {"initial": [0.5, 0.5], "draws": 50, "warmup": 50, **plan}
        return run(RandomWalkMetropolis(), SKEWED.eager(), **plan).unconstrained

    np.testing.assert_array_equal(draws(), draws(threads=2))
    np.testing.assert_array_equal(draws(chains=2), draws(chains=3)[:2])
    assert not (draws()[0] == draws()[1]).all(axis=-1).any()
    assert not (draws(seed=1) == draws(seed=2)).all(axis=-1).any()


def test_counts_and_shapes():
    density = SKEWED.eager()
    result = run(RandomWalkMetropolis(), density, chains=2, draws=0, warmup=30, keep_warmup=True)
    assert result.unconstrained.shape == (2, 0, 2)
    assert result.warmup_unconstrained is not None
    assert result.warmup_unconstrained.shape == (2, 30, 2)
    assert result.summary["gradient_evaluations_warmup"] == density.calls == 2 * 31
    seen = []
    run(RandomWalkMetropolis(), density, chains=2, draws=5, warmup=5, progress=seen.append)
    assert seen[-1].iterations == (10, 10)


def test_interrupted():
    method = RandomWalkMetropolis()
    with Interrupt(lambda progress: progress.iterations[0] > 8) as interrupt:
        result = run(method, slow_python(), draws=PLENTY, warmup=5, progress=interrupt)
    assert result.summary["interrupted"] is True
    assert 3 < result.unconstrained.shape[1] < PLENTY
    assert np.isfinite(result.unconstrained).all()
    with (
        Interrupt(lambda progress: progress.iterations[0] > 0) as interrupt,
        pytest.raises(KeyboardInterrupt),
    ):
        run(method, slow_python(), draws=5, warmup=PLENTY, progress=interrupt)


def test_errors():
    with pytest.raises(OptionError, match="target_accept=0"):
        RandomWalkMetropolis(target_accept=0)
    with pytest.raises(OptionError, match="scale=-1"):
        RandomWalkMetropolis(scale=-1)
    with pytest.raises(OptionError, match="draws=-1"):
        run(RandomWalkMetropolis(), SKEWED.eager(), draws=-1)
    with pytest.raises(InitialisationError, match="Chain 0"):
        run(RandomWalkMetropolis(), TRUNCATED.eager(), initial=[2.0])
    point = TestDensity(1, lambda q: (0.0 if q[0] == 0.5 else np.nan, q))
    with pytest.raises(SamplingError, match="No chain ever moved"):
        run(RandomWalkMetropolis(), point, initial=[0.5], draws=20)


def test_infer():
    def model(y):
        mean = pyro.sample("mean", dist.Normal(0.0, 10.0))
        scale = pyro.sample("scale", dist.HalfNormal(5.0))
        with pyro.plate("observation", len(y)):
            pyro.sample("y", dist.Normal(mean, scale), obs=y)

    data = {"y": torch.tensor([1.2, 0.7, 2.9, 1.8, 2.4, 0.1, 1.1, 3.2])}
    settings = {"data": data, "seed": 1, "progress": False, "log_likelihood": False}
    ours = pg.infer(model, RandomWalkMetropolis(), draws=5000, **settings)
    nuts = pg.infer(model, pg.NUTS(), draws=5000, **settings)
    assert ours.attrs["method"] == "RandomWalkMetropolis"
    assert set(ours["sample_stats"].data_vars) >= {"lp", "step_size", "acceptance_rate"}
    for site in ("mean", "scale"):
        draws, reference = ours["posterior"][site].values, nuts["posterior"][site].values
        check_moments(draws[..., None], [reference.mean()], [reference.std()], min_ess=300)


def test_thinning_keeps_every_kth_draw():
    target = SKEWED.eager()
    every = run(RandomWalkMetropolis(), target, draws=60, warmup=50, chains=2)
    third = run(RandomWalkMetropolis(), target, draws=20, warmup=50, chains=2, thin=3)
    assert np.array_equal(third.unconstrained, every.unconstrained[:, 2::3])


def test_a_run_goes_on_from_what_another_learnt():
    first = run(RandomWalkMetropolis(), SKEWED.eager(), draws=50, warmup=200, chains=2)
    again = run(
        RandomWalkMetropolis(), SKEWED.eager(), draws=50, warmup=0, chains=2, seed=2,
        adaptation=first.adaptation,
    )  # fmt: skip
    assert np.array_equal(again.stats["step_size"][:, 0], first.adaptation["step_size"])
