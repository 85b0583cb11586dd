"""Starting points: where they lie, and what is said when there is none."""

from __future__ import annotations

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

import probgen as pg
from probgen.declare.program import read_program
from probgen.errors import InitialisationError, OptionError
from probgen.inference.initialise import find_starts, initialise
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


def hidden_scale():
    """A regression whose intercept lies far from the uniform starts."""
    intercept = pyro.sample("intercept", dist.Normal(0.0, 1000.0))
    noise = pyro.sample("noise", dist.HalfNormal(5.0))
    with pyro.plate("k", 20):
        pyro.sample("y", dist.Normal(intercept, noise), obs=300.0 + torch.linspace(-2.0, 2.0, 20))


@pytest.mark.parametrize("init", ["map", "laplace", "pathfinder"])
def test_informed_starts_lie_in_the_posterior_and_differ(init):
    density = compile_density(read_program(hidden_scale, {}))
    starts, notes = find_starts(density, 4, 1, init)
    assert notes == []
    assert starts.shape == (4, 2)
    assert np.abs(starts[:, 0] - 300).max() < 4 * 2 / 20**0.5
    assert np.abs(starts[:, 1] - np.log(1.2)).max() < 1
    assert len(np.unique(starts[:, 0])) == 4
    np.testing.assert_array_equal(starts, find_starts(density, 4, 1, init)[0])
    if init != "laplace":  # whose mode is the best of all chains
        np.testing.assert_array_equal(starts[:2], find_starts(density, 2, 1, init)[0])


def centred():
    scale = pyro.sample("scale", dist.HalfCauchy(5.0))
    with pyro.plate("k", 8):
        effect = pyro.sample("effect", dist.Normal(0.0, scale))
        pyro.sample("y", dist.Normal(effect, 10.0), obs=torch.arange(8.0))


@pytest.mark.parametrize("init", ["map", "laplace"])
def test_without_a_mode_the_uniform_starts_are_kept_and_noted(init):
    density = compile_density(read_program(centred, {}))
    with pytest.warns(UserWarning, match="2 of 2 chains met no mode and began at their uniform"):
        starts = initialise(density, 2, seed=1, init=init)
    np.testing.assert_array_equal(starts, initialise(density, 2, seed=1))
    starts, notes = find_starts(density, 2, 1, "pathfinder")
    assert notes == []
    assert (starts[:, 0] > -3).all()  # the bound prefers the wide part of the funnel


def two_or_more():
    pyro.sample("mu", dist.Normal(0.0, 100.0))
    pyro.sample("tau", dist.HalfNormal(1.0).expand([2]).to_event(1))


def test_starts_from_an_earlier_result():
    tree = pg.infer(two_sites, seed=1, chains=2, draws=30, warmup=50, progress=False)
    density = density_of(two_sites)
    earlier = tree["unconstrained_posterior"]
    starts = initialise(density, 5, seed=3, init=tree)
    np.testing.assert_array_equal(starts[:2, 0], earlier["mu"][:, -1])
    np.testing.assert_array_equal(starts[:2, 1:], earlier["tau"][:, -1])
    for row in starts[2:]:
        assert row[0] in earlier["mu"].values
    with pytest.raises(OptionError, match=r"'tau' has unconstrained shape \(3,\)"):
        initialise(density_of(two_or_more), 2, seed=3, init=tree)
    with pytest.raises(OptionError, match="none of this program's latent sites"):
        initialise(density_of(hidden_scale), 2, seed=3, init=tree)
    with pytest.raises(OptionError, match="no group `unconstrained_posterior`"):
        initialise(density, 2, seed=3, init=tree["posterior"])
    empty = pg.infer(two_sites, seed=1, chains=2, draws=0, warmup=5, progress=False)
    with pytest.raises(OptionError, match="holds no draws"):
        initialise(density, 2, seed=3, init=empty)


def test_starts_from_a_result_of_other_data_must_be_finite():
    def bounded(high):
        pyro.sample("y", dist.Uniform(0.0, pyro.sample("h", dist.LogNormal(0.0, 1.0))), obs=high)

    low, high = torch.tensor(0.1), torch.tensor(1e3)
    tree = pg.infer(bounded, data={"high": low}, seed=1, chains=1, draws=50, progress=False)
    density = compile_density(read_program(bounded, {"high": high}), "eager")
    with pytest.raises(InitialisationError, match="log density of 'y' is not finite"):
        initialise(density, 1, seed=1, init=tree)


def two_bumps():
    """One narrow bump with next to no mass, and a wide one."""
    parts = dist.Categorical(torch.tensor([0.999, 0.001]))
    x = dist.Normal(torch.tensor([-1.5, 1.5]), torch.tensor([0.5, 0.2]))
    pyro.sample("x", dist.MixtureSameFamily(parts, x))


def test_an_approximation_with_settings_gives_starts_where_the_mass_is():
    density = density_of(two_bumps)
    plain = initialise(density, 40, seed=1, init="pathfinder")
    weighed = initialise(density, 40, seed=1, init=pg.Pathfinder(paths=8))
    assert (plain > 0).mean() > 0.1  # a path for each chain ends wherever it climbs to
    assert (weighed > 0).mean() < 0.05
    assert len(np.unique(weighed)) > 20
    again = initialise(density, 40, seed=1, init=pg.Pathfinder(paths=8))
    np.testing.assert_array_equal(weighed, again)


def test_chains_started_by_several_paths_are_sampled():
    tree = pg.infer(
        two_sites, pg.NUTS(), init=pg.Pathfinder(paths=6), seed=1, chains=2, draws=50, warmup=100,
        progress=False, backend="torch",
    )  # fmt: skip
    assert tree.posterior["mu"].shape == (2, 50)


def test_a_sampler_is_no_start():
    with pytest.raises(OptionError, match=r"Pathfinder\(paths=8\)"):
        initialise(density_of(two_sites), 2, seed=1, init=pg.NUTS())
