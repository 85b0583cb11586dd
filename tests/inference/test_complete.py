"""Completing a tree: every group, equal to what `infer` computes; what is left out, and why."""

from __future__ import annotations

import json

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
import xarray as xr
from scipy import stats

import probgen as pg
from probgen.declare.program import read_program
from probgen.errors import ModelError, OptionError
from probgen.inference import complete as module
from probgen.inference.complete import GROUPS, complete
from probgen.inference.derived import derive
from probgen.results.tree import Labels, Variable, build_tree

Y = torch.tensor([[0.5, 1.5], [2.0, -0.3], [1.1, 0.4]])
DATA = {"x": torch.tensor([1.0, 2.0, 3.0]), "y": Y}


def table(x, y=None):
    """Nested plates, constrained and discrete sites, a bound that depends on another site."""
    rows, columns = pyro.plate("row", len(x), dim=-2), pyro.plate("column", 2, dim=-1)
    scale = pyro.sample("scale", dist.HalfNormal(1.0))
    low = pyro.sample("low", dist.Uniform(-scale, scale))
    weights = pyro.sample("weights", dist.Dirichlet(torch.ones(3)))
    with rows:
        slope = pyro.sample("slope", dist.Normal(low, 1.0))
        with columns:
            z = pyro.sample("z", dist.Categorical(weights))
            mean = pyro.deterministic("mean", slope * x[:, None] + z, event_dim=0)
            pyro.sample("y", dist.Normal(mean, scale), obs=y)


@pytest.fixture(scope="module")
def inferred():
    """A run of infer, as short as its groups allow."""
    labels = {"coords": {"row": ["p", "q", "r"]}, "dims": {"weights": ["kind"]}}
    return pg.infer(
        table, data=DATA, chains=2, draws=6, warmup=15, seed=1, progress=False,
        backend="torch", **labels,
    )  # fmt: skip


def test_dimensions_of_infer_come_from_plates_and_the_user(inferred):
    dims = {name: v.dims[2:] for name, v in inferred["posterior"].data_vars.items()}
    assert dims == {
        "scale": (),
        "low": (),
        "weights": ("kind",),
        "slope": ("row", "slope_dim_0"),
        "z": ("row", "column"),
        "mean": ("row", "column"),
    }
    assert inferred["log_likelihood"]["y"].dims == ("chain", "draw", "row", "column")
    assert inferred["observed_data"]["y"].dims == ("row", "column")
    assert inferred["constant_data"]["x"].dims == ("row",)
    assert "z" not in inferred["log_prior"]  # it is summed out
    assert "z" not in inferred["unconstrained_posterior"]
    for group in ("posterior", "log_likelihood", "observed_data", "constant_data"):
        assert list(inferred[group]["row"].values) == ["p", "q", "r"], group


def test_a_tree_of_draws_alone_gets_what_infer_computes(inferred):
    bare = xr.DataTree()
    bare["posterior"] = inferred["posterior"].to_dataset()
    tree = complete(bare, table, DATA, draws=7)
    assert set(tree.children) == {"posterior", *GROUPS}
    for group in ("log_likelihood", "log_prior", "unconstrained_posterior"):
        assert set(tree[group].data_vars) == set(inferred[group].data_vars)
        for name, expected in inferred[group].data_vars.items():
            np.testing.assert_allclose(tree[group][name].values, expected.values, atol=1e-9)
    assert tree["observed_data"].equals(inferred["observed_data"])
    assert tree["constant_data"].equals(inferred["constant_data"])
    assert tree["prior"]["weights"].dims == ("chain", "draw", "kind")
    assert tree["prior"].sizes["draw"] == 7
    assert list(tree["posterior_predictive"]["row"].values) == ["p", "q", "r"]
    assert list(bare.children) == ["posterior"]


def test_only_what_is_lacking_or_named_is_made(inferred):
    tree = complete(inferred, table, DATA, draws=3)
    assert set(tree.children) - set(inferred.children) == {
        "prior", "prior_predictive", "posterior_predictive",
    }  # fmt: skip
    assert tree["log_likelihood"].equals(inferred["log_likelihood"])
    one = complete(inferred, table, DATA, ["prior_predictive"], draws=3)
    assert set(one.children) - set(inferred.children) == {"prior_predictive"}


def test_densities_against_formulas():
    def model(y):
        rate = pyro.sample("rate", dist.Gamma(2.0, 3.0))
        with pyro.plate("row", 2):
            pyro.sample("y", dist.Exponential(rate), obs=y)

    rate = np.array([[0.5, 1.0, 2.0]])
    y = np.array([0.3, 1.2])
    found = derive(read_program(model, {"y": y}), {"rate": rate})
    prior = stats.gamma(2, scale=1 / 3).logpdf(rate)
    likelihood = stats.expon(scale=1 / rate[..., None]).logpdf(y)
    np.testing.assert_allclose(found.groups["log_prior"]["rate"].values, prior)
    np.testing.assert_allclose(found.groups["log_likelihood"]["y"].values, likelihood)
    np.testing.assert_allclose(found.log_jacobian, np.log(rate))  # d exp(u) / du = rate
    np.testing.assert_allclose(found.log_density, prior + likelihood.sum(-1) + np.log(rate))


def test_infer_without_draws_has_every_group():
    tree = pg.infer(table, data=DATA, chains=2, draws=0, warmup=5, progress=False, backend="torch")
    assert tree["posterior"]["z"].shape == (2, 0, 3, 2)
    assert tree["posterior"]["mean"].shape == (2, 0, 3, 2)


def test_no_draws_are_refused():
    tree = build_tree({"posterior": {"mu": Variable(np.zeros((1, 0)))}})
    with pytest.raises(OptionError, match="the posterior is empty"):
        complete(tree, improper, {"y": torch.tensor(0.2)}, ["log_likelihood"])
    with pytest.raises(OptionError, match="the posterior is empty"):
        complete(tree, improper, {"y": torch.tensor(0.2)}, ["posterior_predictive"])


def improper(y):
    mu = pyro.sample("mu", dist.ImproperUniform(dist.constraints.real, (), ()))
    pyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def test_what_the_program_does_not_allow_is_a_note_unless_it_was_named():
    tree = build_tree({"posterior": {"mu": Variable(np.zeros((1, 3)))}}, attrs={"notes": ["old"]})
    data = {"y": torch.tensor(0.2)}
    made = complete(tree, improper, data)
    assert {"prior", "prior_predictive"}.isdisjoint(made.children)
    assert {"log_likelihood", "posterior_predictive"} <= set(made.children)
    old, new = json.loads(made.attrs["notes"])
    assert old == "old"
    assert "'mu' cannot be simulated" in new
    with pytest.raises(ModelError, match="'mu' cannot be simulated"):
        complete(tree, improper, data, ["prior"])


def test_large_groups_are_left_out_unless_they_were_named(monkeypatch, inferred):
    monkeypatch.setattr(module, "LARGEST_UNASKED", 8 * 2 * 6 * 6 - 1)
    tree = complete(inferred, table, DATA, draws=3)
    assert "posterior_predictive" not in tree.children
    assert "posterior_predictive would take" in tree.attrs["notes"]
    tree = complete(inferred, table, DATA, ["posterior_predictive"])
    assert "posterior_predictive" in tree.children


def test_what_cannot_be_completed_is_refused():
    tree = build_tree({"posterior": {"scale": Variable(np.ones((1, 3)))}}, Labels())
    with pytest.raises(OptionError, match="'priors' is none of log_likelihood"):
        complete(tree, table, DATA, ["priors"])
    with pytest.raises(OptionError, match="first argument is a tree"):
        complete(type(tree)(), table, DATA)
    with pytest.raises(OptionError, match="lack the site 'low'"):
        complete(tree, table, DATA, ["log_likelihood"])
    with pytest.raises(OptionError, match="use prior and predict"):
        complete(tree, pg.load_network("asia"), {})


def test_a_program_without_observations_gets_what_there_is():
    def prior_only():
        pyro.sample("mu", dist.Normal(0.0, 1.0))

    tree = build_tree({"posterior": {"mu": Variable(np.zeros((1, 3)))}})
    made = complete(tree, prior_only, draws=2)
    assert set(made.children) == {"posterior", "log_prior", "unconstrained_posterior", "prior"}
    assert "notes" not in made.attrs
    with pytest.raises(OptionError, match="has no observed site"):
        complete(tree, prior_only, groups=["posterior_predictive"])
    with pytest.raises(OptionError, match="a log density has no sites"):
        complete(tree, pg.density(lambda mu: -(mu**2), {"mu": ()}))
