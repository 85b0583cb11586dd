"""The Pyro programs of posteriordb against their Stan models and reference draws, no sampler.

Two independent checks. (1) Differences of the log density between reference draws equal those
of a NumPy version of `model.stan`. (2) Stein's identities hold under the reference draws: with
u the unconstrained value and g the gradient of its log density, E[g_i] = 0 and
E[(u_i - E[u_i]) g_i] = -1 exactly when the density is the one that was sampled.
"""

from __future__ import annotations

import numpy as np
import pyro
import pyro.distributions as dist
import pytest

from probgen.declare.program import Program, read_program
from tests.conformance.points import (
    data_of,
    database,
    draws_of,
    log_joint,
    points_near_origin,
    program_of,
    unconstrained,
    value_and_gradient,
)
from tests.conformance.stan_loops import LOOPS
from tests.conformance.stan_targets import TARGETS

QUICK = (
    "eight_schools-eight_schools_centered",
    "kidiq_with_mom_work-kidscore_mom_work",
    "sblri-blr",
)

QUICK_LOOPS = (
    "Mtbh_data-Mtbh_model",
    "bones_data-bones_model",
    "butterfly-multi_occupancy",
    "dogs-dogs_nonhierarchical",
)
SOLVED = ("hudson_lynx_hare-lotka_volterra", "sir-sir", "soil_carbon-soil_incubation")


def stein_z_scores(program: Program, name: str, count: int) -> np.ndarray:
    """z-scores of both identities, for every coordinate, from `count` reference draws."""
    points = [unconstrained(program, draw) for draw in draws_of(name, count)]
    gradients = np.array([value_and_gradient(program, point)[1] for point in points])
    values = np.array([np.concatenate([v.reshape(-1) for v in p.values()]) for p in points])
    scale = (values - values.mean(0)) * gradients + 1.0
    both = np.concatenate([gradients, scale], axis=1)
    return both.mean(0) / (both.std(0, ddof=1) / np.sqrt(count))


@pytest.mark.parametrize("name", QUICK)
def test_stein_identities(name):
    assert np.abs(stein_z_scores(program_of(name), name, 200)).max() < 5.0


@pytest.mark.slow
def test_stein_identities_of_all():
    names = [entry.name for entry in database().entries() if entry.has_reference]
    scores = {
        name: np.abs(stein_z_scores(program_of(name), name, 200)).max()
        for name in names
        if name not in QUICK
    }
    assert {name: score for name, score in scores.items() if score >= 5.0} == {}


def test_stein_identities_tell_a_wrong_prior():
    def narrow(sigma, y):
        mu = pyro.sample("mu", dist.Normal(0.0, 5.0))
        tau = pyro.sample("tau", dist.HalfCauchy(1.0))  # should be 5
        with pyro.plate("school", len(sigma)):
            theta_raw = pyro.sample("theta_raw", dist.Normal(0.0, 1.0))
            pyro.sample("y", dist.Normal(mu + tau * theta_raw, sigma), obs=y)

    name = "eight_schools-eight_schools_noncentered"
    program = read_program(narrow, data_of(name))
    assert np.abs(stein_z_scores(program, name, 200)).max() > 5.0


@pytest.mark.parametrize("name", TARGETS)
def test_density_equals_the_stan_model(name):
    assert_same_differences(name, program_of(name), draws_of(name, 4), TARGETS[name])


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK_LOOPS else pytest.mark.slow) for name in LOOPS],
)
def test_density_equals_the_stan_model_without_reference(name):
    program = program_of(name)
    assert_same_differences(name, program, points_near_origin(program, 3), LOOPS[name])


def assert_same_differences(name, program, draws, stan) -> None:
    data = database().data(name)
    ours = np.array([log_joint(program, draw) for draw in draws])
    theirs = np.array([stan(data, {key: v.numpy() for key, v in draw.items()}) for draw in draws])
    # Fixed steps in place of an adaptive solver leave a small difference.
    absolute, relative = (5e-3, 1e-5) if name in SOLVED else (1e-7, 1e-9)
    np.testing.assert_allclose(np.diff(ours), np.diff(theirs), atol=absolute, rtol=relative)
