"""Starting points: where they lie, and what is said when there is none."""

from __future__ import annotations

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

from probgen.declare.program import read_program
from probgen.errors import InitialisationError, OptionError
from probgen.inference.initialise import initialise
from probgen.targets.density import Density, compile_density


def density_of(model, *data) -> Density:
    return compile_density(read_program(model, dict(data)), "eager")


def two_sites():
    pyro.sample("mu", dist.Normal(0.0, 100.0))
    pyro.sample("tau", dist.HalfNormal(1.0).expand([3]).to_event(1))


def test_uniform_starts_lie_in_the_box_and_differ_between_chains():
    starts = initialise(density_of(two_sites), 4, seed=1)
    assert starts.shape == (4, 4)
    assert np.abs(starts).max() < 2.0
    assert len(np.unique(starts[:, 0])) == 4
    np.testing.assert_array_equal(starts, initialise(density_of(two_sites), 4, seed=1))


def test_prior_starts_have_the_spread_of_the_prior():
    starts = initialise(density_of(two_sites), 40, seed=1, init="prior")
    assert 60 < starts[:, 0].std() < 150


def test_given_starts_are_placed_and_the_rest_is_uniform():
    starts = initialise(density_of(two_sites), 2, seed=1, init={"tau": [1.0, 2.0, 3.0]})
    np.testing.assert_allclose(starts[:, 1:], np.log([[1.0, 2.0, 3.0]] * 2))
    assert starts[0, 0] != starts[1, 0]


def test_given_starts_by_chain():
    starts = initialise(density_of(two_sites), 2, seed=1, init={"mu": [5.0, -5.0]})
    assert starts[:, 0].tolist() == [5.0, -5.0]
    with pytest.raises(OptionError, match="number of chains, 2"):
        initialise(density_of(two_sites), 2, seed=1, init={"mu": [5.0, -5.0, 0.0]})


@pytest.mark.parametrize("init", ["zero", 3])
def test_unknown_ways_to_start(init):
    with pytest.raises(OptionError, match="'uniform', 'prior' or a mapping"):
        initialise(density_of(two_sites), 1, seed=1, init=init)


def test_given_start_outside_the_support():
    with pytest.raises(InitialisationError, match="'tau' lies outside"):
        initialise(density_of(two_sites), 1, seed=1, init={"tau": -1.0})


def unreachable():
    high = pyro.sample("high", dist.HalfNormal(1.0))
    pyro.sample("y", dist.Uniform(0.0, high), obs=torch.tensor(1000.0))


def test_a_start_that_is_never_finite_names_the_site():
    with pytest.raises(InitialisationError, match=r"(?s)log density of 'y' is not finite.*high="):
        initialise(density_of(unreachable), 1, seed=1)


def kinked():
    with pyro.plate("k", 2):
        b = pyro.sample("b", dist.Normal(0.0, 1.0))
    pyro.factor("bonus", (b[1] * 0.0).abs().sqrt())


def test_a_gradient_that_is_never_finite_names_the_coordinate():
    with pytest.raises(InitialisationError, match=r"gradient with respect to b\[1\] is not"):
        initialise(density_of(kinked), 1, seed=1)


def fragile():
    b = pyro.sample("b", dist.Normal(0.0, 1.0))
    if b < 0.0:
        raise ValueError("no negative values, please")


@pytest.mark.parametrize("init", ["uniform", "prior"])
def test_starts_where_the_program_raises_are_passed_over(init):
    starts = initialise(density_of(fragile), 5, seed=1, init=init)
    assert (starts > 0.0).all()
