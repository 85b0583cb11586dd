"""HMC draws from known targets: fixed path and fixed steps, jittered or not, both metrics."""

from __future__ import annotations

import numpy as np
import pytest

from probgen.errors import OptionError
from probgen.inference.hmc import HMC
from tests.inference.conformance import conforms, run
from tests.inference.targets import EASY, GAUSSIAN, SKEWED, TARGETS, TRUNCATED

METHODS = {
    "jittered": HMC(),
    "static": HMC(jitter=0.0),
    "diag": HMC(metric="diag"),
    "dense": HMC(metric="dense"),
    "steps": HMC(num_steps=10, jitter=0.5),
}


def name_of(value):
    return getattr(value, "name", None)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("target", TARGETS, ids=name_of)
def test_native_engine(target, method):
    conforms(method, target, target.native(), draws=10_000, threads=2)


@pytest.mark.parametrize("method", ["jittered", "static"])
@pytest.mark.parametrize("target", [GAUSSIAN, *EASY], ids=name_of)
def test_python_engine(target, method):
    conforms(METHODS[method], target, target.eager(), chains=2, draws=800, warmup=300, min_ess=100)


def test_the_engines_agree():
    method = HMC(num_steps=4, step_size=0.5)
    native = run(method, SKEWED.native(), draws=20_000, warmup=0, initial=[1.0, 1.0])
    python = run(method, SKEWED.eager(), draws=3000, warmup=0, chains=2, initial=[1.0, 1.0])
    for name in ("acceptance_rate", "energy_error"):
        many, few = native.stats[name], python.stats[name]
        # Consecutive values are weakly correlated: a factor of two covers the ESS.
        assert abs(many.mean() - few.mean()) < 5 * 2 * many.std() / np.sqrt(few.size), name


def test_nan_regions_count_as_divergences_and_do_not_bias():
    result = conforms(HMC(), TRUNCATED, TRUNCATED.native(), initial=[0.0], draws=5000)
    assert result.stats["diverging"].mean() > 0.02


@pytest.mark.parametrize("engine", ["native", "eager"])
def test_number_of_steps(engine):
    density = getattr(SKEWED, engine)()
    plan = {"draws": 40, "warmup": 0, "initial": [1.0, 1.0]}
    steps = run(HMC(num_steps=7, step_size=0.1), density, **plan).stats["n_steps"]
    assert (steps == 7).all()
    steps = run(HMC(trajectory_length=2.05, step_size=0.1), density, **plan).stats["n_steps"]
    assert (steps == 21).all()
    tiny = HMC(step_size=1e-4, trajectory_length=1.0)
    assert (run(tiny, density, **{**plan, "draws": 2}).stats["n_steps"] == 1024).all()
    result = run(HMC(num_steps=1, step_size=0.1), density, **plan)
    assert (result.stats["tree_depth"] == 0).all()
    # A chain's start is evaluated as well, and counted where there is no warm-up.
    assert 160 <= result.summary["gradient_evaluations"] <= 160 + 4


@pytest.mark.parametrize("engine", ["native", "eager"])
def test_same_seed_same_draws_for_any_number_of_threads(engine):
    def draws(**plan):
        density = getattr(SKEWED, engine)()
        return run(HMC(), density, chains=2, draws=30, warmup=30, **plan).unconstrained

    np.testing.assert_array_equal(draws(), draws(threads=2))
    assert not np.isclose(draws(seed=1), draws(seed=2)).all(axis=-1).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trajectory_length": 0.0}, "trajectory_length=0.0"),
        ({"trajectory_length": float("inf")}, "trajectory_length=inf"),
        ({"num_steps": 0}, "num_steps=0"),
        ({"num_steps": 1.5}, "positive integer"),
        ({"num_steps": True}, "positive integer"),
        ({"num_steps": 100_001}, "num_steps=100001"),
        ({"jitter": -0.1}, "jitter=-0.1"),
        ({"jitter": 1.0}, r"\[0, 1\)"),
        ({"target_accept": 1.5}, "target_accept=1.5"),
        ({"metric": "full"}, "metric='full'"),
        ({"step_size": -1.0}, "step_size=-1.0"),
        ({"max_energy_error": -1.0}, "max_energy_error=-1.0"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(OptionError, match=message) as caught:
        HMC(**options)
    assert str(caught.value).startswith("HMC(")
