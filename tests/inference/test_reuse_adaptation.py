"""A run goes on from what an earlier one learnt: same posterior, no warm-up, nothing lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
import xarray as xr

import probgen as pg
from probgen.errors import OptionError
from probgen.inference.adapt import learnt
from probgen.inference.adapt.settings import METRICS
from probgen.inference.hmc import HMC
from probgen.inference.nuts import NUTS
from tests.inference.conformance import check_moments, conforms, run
from tests.inference.targets import CORRELATED, GAUSSIAN, SKEWED, WIDE, Target

SMALL = {"native": {"chains": 4, "draws": 2000}, "eager": {"chains": 2, "draws": 500}}
both_engines = pytest.mark.parametrize("engine", SMALL)
metrics = pytest.mark.parametrize("metric", METRICS)


def learn(method, density, warmup=400, **plan):
    return run(method, density, draws=0, warmup=warmup, **plan).adaptation


@both_engines
@metrics
@pytest.mark.parametrize("method", [NUTS, HMC])
@pytest.mark.parametrize("target", [CORRELATED, WIDE], ids=lambda target: target.name)
def test_going_on_leaves_all_but_the_position_as_it_was(engine, metric, method, target):
    density, method = getattr(target, engine)(), method(metric=metric)
    first = learn(method, density, chains=2)
    second = run(method, density, draws=5, warmup=0, chains=2, adaptation=first)
    np.testing.assert_array_equal(second.adaptation["runs"], [2, 2])
    for name in first.keys() - {"position", "runs"}:
        np.testing.assert_array_equal(second.adaptation[name], first[name], name)
    assert (first["step_size"] == second.stats["step_size"].T).all()
    assert second.summary["gradient_evaluations_warmup"] == 2  # one per chain: where it stands
    np.testing.assert_array_equal(second.adaptation["position"], second.unconstrained[:, -1])
    first["scale"][:] = 1.0  # what was handed over is the caller's own
    assert (second.adaptation["scale"] != 1.0).any()


@both_engines
@metrics
@pytest.mark.parametrize("target", [GAUSSIAN, SKEWED], ids=lambda target: target.name)
def test_going_on_draws_from_the_same_posterior(engine, metric, target):
    density, method, plan = getattr(target, engine)(), NUTS(metric=metric), SMALL[engine]
    first = learn(method, density, chains=plan["chains"])
    result = conforms(method, target, density, warmup=0, adaptation=first, min_ess=100, **plan)
    assert result.stats["n_steps"].mean() < 16


def test_the_engines_understand_each_other():
    for source, taker in (("native", "eager"), ("eager", "native")):
        first = learn(NUTS(), getattr(CORRELATED, source)(), chains=2)
        result = run(NUTS(), getattr(CORRELATED, taker)(), chains=2, draws=300, warmup=0,
                     adaptation=first)  # fmt: skip
        assert result.stats["n_steps"].mean() < 8
        assert 0.6 < result.stats["acceptance_rate"].mean() < 0.95


@pytest.mark.parametrize("engine", ["native", "eager"])
def test_a_short_warmup_keeps_the_metric_and_settles_the_step(engine):
    density = getattr(CORRELATED, engine)()
    first = learn(NUTS(), density, chains=2)
    result = run(NUTS(target_accept=0.95), density, chains=2, draws=400, warmup=150,
                 adaptation=first)  # fmt: skip
    np.testing.assert_array_equal(result.adaptation["directions"], first["directions"])
    assert result.stats["acceptance_rate"].mean() == pytest.approx(0.95, abs=0.04)
    longer = run(NUTS(), density, chains=2, draws=10, warmup=400, adaptation=first)
    assert (longer.adaptation["scale"] != first["scale"]).any()


def check_not_retraced(target: Target) -> None:
    """A second continuation must not contract onto the first one's draws."""
    method, density = HMC(metric="dense", jitter=0.0), target.native()
    first = learn(method, density, chains=2)
    legs = []
    for _ in range(2):
        legs.append(run(method, density, draws=200, warmup=0, chains=2, adaptation=first))
        first = legs[-1].adaptation
    apart = np.abs(legs[0].unconstrained - legs[1].unconstrained)[:, 100:]
    assert apart.mean() > 0.3 * target.sd.mean()


def test_runs_that_follow_each_other_are_no_copies(monkeypatch):
    check_not_retraced(CORRELATED)
    monkeypatch.setattr(learnt, "_GOLDEN", 0)  # the same random numbers in every run
    with pytest.raises(AssertionError):
        check_not_retraced(CORRELATED)


@both_engines
def test_same_seed_same_draws(engine):
    density = getattr(SKEWED, engine)()
    first = learn(NUTS(), density, chains=2)
    one, two = (
        run(NUTS(), density, chains=2, draws=30, warmup=0, threads=threads, adaptation=first)
        for threads in (1, 2)
    )
    np.testing.assert_array_equal(one.unconstrained, two.unconstrained)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda a: {n: v for n, v in a.items() if n != "scale"},
            "NUTS needs .*: 'scale' does not fit",
        ),
        (lambda a: {**a, "scale": a["scale"][:, :3]}, "'scale' does not fit"),
        (lambda a: {**a, "factor": np.ones((2, 10, 10))}, "'factor' does not fit. .* same metric"),
        (lambda a: {n: v for n, v in a.items() if n != "runs"}, "'runs' does not fit"),
        (lambda a: {**a, "step_size": -a["step_size"]}, "no positive number"),
        (lambda a: {**a, "step_size": a["step_size"] * np.nan}, "no positive number"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    first = learn(NUTS(), CORRELATED.native(), chains=2, warmup=20)
    with pytest.raises(OptionError, match=message):
        run(NUTS(), CORRELATED.native(), chains=2, draws=5, warmup=0, adaptation=change(first))


def regression(x, y):
    slope = pyro.sample("slope", dist.Normal(torch.zeros(3), 10.0).to_event(1))
    noise = pyro.sample("noise", dist.HalfNormal(5.0))
    pyro.sample("y", dist.Normal(x @ slope, noise).to_event(1), obs=y)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, 3)) * [1.0, 10.0, 0.1]
    return {"x": x, "y": x @ [1.0, -0.2, 3.0] + rng.normal(size=40)}


@pytest.mark.parametrize("method", [pg.NUTS(), pg.HMC(metric="dense")], ids=lambda m: m.name)
def test_through_a_file(tmp_path, data, method):
    options = {"data": data, "chains": 2, "progress": False}
    first = pg.infer(regression, method, draws=400, warmup=400, seed=1, **options)
    first.to_netcdf(tmp_path / "first.nc")
    stored = xr.open_datatree(tmp_path / "first.nc")
    again, from_file = (
        pg.infer(regression, method, draws=400, warmup=0, seed=2, adapted=tree, **options)
        for tree in (first, stored)
    )
    np.testing.assert_array_equal(again.posterior.slope, from_file.posterior.slope)
    mean, sd = (
        getattr(first.posterior.slope, what)(("chain", "draw")) for what in ("mean", "std")
    )
    # Both runs have an error: twice the variance of one.
    check_moments(again.posterior.slope.values, mean, sd, min_ess=150, sigmas=5 * 2**0.5)
    stored.close()


def test_plan_is_left_alone(data):
    """`run` works on copies: the same plan gives the same draws twice."""
    density = CORRELATED.native()
    first = learn(NUTS(), density, chains=2)
    kept = {name: value.copy() for name, value in first.items()}
    run(replace(NUTS(), target_accept=0.9), density, chains=2, draws=20, warmup=50,
        adaptation=first)  # fmt: skip
    for name, value in kept.items():
        np.testing.assert_array_equal(first[name], value, name)
