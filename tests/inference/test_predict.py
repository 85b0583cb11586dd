"""Posterior predictive draws and predictions: distributions, groups, new data, labels."""

from __future__ import annotations

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
import xarray as xr
from scipy import stats

from probgen.errors import DataError, ModelError, OptionError
from probgen.inference.complete import complete
from probgen.inference.predict import predict
from probgen.results.tree import Labels, Variable, build_tree

SIGMA = np.array([1.0, 2.0, 0.5])
Y = np.array([0.3, -1.0, 2.0])
DATA = {"sigma": SIGMA, "y": Y}


def groups_model(sigma, y=None):
    mu = pyro.sample("mu", dist.Normal(0.0, 5.0))
    with pyro.plate("group", len(sigma)):
        theta = pyro.sample("theta", dist.Normal(mu, 1.0))
        pyro.deterministic("twice", 2 * theta, event_dim=0)
        pyro.sample("y", dist.Normal(theta, torch.as_tensor(sigma)), obs=y)


def posterior(draws=500, chains=2, **more):
    """A tree of made-up draws, in dimensions and with labels as infer names them."""
    rng = np.random.default_rng(0)
    mu = rng.normal(1.0, 0.1, (chains, draws))
    theta = mu[..., None] + rng.normal(0, 1, (chains, draws, 3))
    groups = {
        "posterior": {"mu": Variable(mu), "theta": Variable(theta, ("group",)), **more},
        "observed_data": {"y": Variable(Y, ("group",), sampled=False)},
        "constant_data": {"sigma": Variable(SIGMA, ("group",), sampled=False)},
    }
    return build_tree(groups, Labels({}, {"group": ["a", "b", "c"]}))


def test_replicates_scatter_around_their_own_draw():
    tree = predict(posterior(), groups_model, DATA, seed=1)
    replicates = tree["posterior_predictive"]["y"]
    assert replicates.dims == ("chain", "draw", "group")
    assert list(replicates["group"].values) == ["a", "b", "c"]
    z = ((replicates - tree["posterior"]["theta"]) / SIGMA).values.ravel()
    assert stats.kstest(z, "norm").pvalue > 1e-4
    # Draws matched with those of other rows would be noticed.
    shuffled = tree["posterior"]["theta"].values[:, ::-1]
    wrong = ((replicates.values - shuffled) / SIGMA).ravel()
    assert stats.kstest(wrong, "norm").pvalue < 1e-4


@pytest.mark.filterwarnings("ignore:Site 'theta' has shape")
def test_the_same_data_are_a_predictive_check_and_others_are_predictions():
    tree = posterior(draws=5)
    for data in (DATA, {"sigma": SIGMA}, {"sigma": torch.tensor(SIGMA), "y": None}):
        assert "predictions" not in predict(tree, groups_model, data).children
    for data in (
        {"sigma": 2 * SIGMA},
        {"sigma": SIGMA, "y": Y + 1},
        {"sigma": np.ones(5)},
    ):
        made = predict(tree, groups_model, data, sites=["y"])
        assert "posterior_predictive" not in made.children
        constant = made["predictions_constant_data"]
        np.testing.assert_array_equal(constant["sigma"], data["sigma"])
        assert made["predictions"]["y"].sizes["group"] == len(data["sigma"])
        labelled = list(constant["group"].values) == ["a", "b", "c"]
        assert labelled == (len(data["sigma"]) == 3)
    assert list(tree.children) == ["posterior", "observed_data", "constant_data"]


def test_a_site_of_another_shape_is_drawn_anew_and_named():
    new = {"sigma": np.full(4, 1e-6)}
    with pytest.warns(UserWarning, match="'theta' has shape \\(3,\\) .* and \\(4,\\)"):
        tree = predict(posterior(), groups_model, new)
    assert set(tree["predictions"].data_vars) == {"theta", "y"}
    theta = tree["predictions"]["theta"].values
    z = theta - tree["posterior"]["mu"].values[..., None]
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-4
    np.testing.assert_allclose(tree["predictions"]["y"].values, theta, atol=1e-4)


def test_deterministic_sites_only_when_named():
    tree = predict(posterior(draws=4), groups_model, DATA, sites=["twice"])
    assert list(tree["posterior_predictive"].data_vars) == ["twice"]
    np.testing.assert_allclose(
        tree["posterior_predictive"]["twice"], 2 * tree["posterior"]["theta"]
    )


def test_seeds_and_labels_of_the_user():
    tree = posterior(draws=8)
    names = {"dims": {"y": ["school"]}, "coords": {"school": [7, 8, 9]}}
    first = predict(tree, groups_model, DATA, seed=3, **names)["posterior_predictive"]
    again = predict(tree, groups_model, DATA, seed=3, **names)["posterior_predictive"]
    other = predict(tree, groups_model, DATA, seed=4)["posterior_predictive"]
    assert first.equals(again)
    assert list(first["school"].values) == [7, 8, 9]
    assert not np.array_equal(first["y"].values, other["y"].values)


def test_discrete_draws_are_used_in_the_type_of_the_program():
    def mixture(y=None):
        with pyro.plate("row", 3):
            z = pyro.sample("z", dist.Bernoulli(0.5))
            assert z.is_floating_point()
            pyro.sample("y", dist.Normal(100 * z, 1.0), obs=y)

    z = np.random.default_rng(1).integers(0, 2, (2, 50, 3))
    tree = build_tree({"posterior": {"z": Variable(z, ("row",))}})
    y = predict(tree, mixture, {"y": Y})["posterior_predictive"]["y"].values
    np.testing.assert_array_equal(y > 50, z == 1)


def test_counts_come_out_as_integers():
    def counts(y=None):
        rate = pyro.sample("rate", dist.Gamma(2.0, 1.0))
        pyro.sample("y", dist.Poisson(rate).expand([4]).to_event(1), obs=y)

    tree = build_tree({"posterior": {"rate": Variable(np.full((1, 40), 3.0))}})
    tree = complete(tree, counts, {"y": torch.tensor([1.0, 0, 2, 5])}, draws=10)
    for group in ("posterior_predictive", "prior_predictive", "observed_data"):
        assert tree[group]["y"].dtype == np.int64, group


def test_draws_of_another_tool_in_another_order_of_dimensions():
    tree = posterior(draws=6)
    theta = tree["posterior"]["theta"].transpose("group", "draw", "chain")
    foreign = xr.DataTree.from_dict(
        {"/posterior": xr.Dataset({"mu": tree["posterior"]["mu"], "theta": theta})}
    )
    same = {"group": "posterior_predictive", "seed": 2}
    ours = predict(tree, groups_model, DATA, **same)["posterior_predictive"]
    theirs = predict(foreign, groups_model, DATA, **same)["posterior_predictive"]
    np.testing.assert_array_equal(ours["y"], theirs["y"])


def test_what_cannot_be_predicted_is_refused_by_name():
    tree = posterior(draws=2)
    with pytest.raises(OptionError, match="first argument"):
        predict(xr.DataTree(), groups_model, DATA)
    with pytest.raises(OptionError, match="no dimensions chain and draw"):
        predict(tree.isel(chain=0, draw=0), groups_model, DATA)
    with pytest.raises(OptionError, match="draws no 'mu'"):
        predict(tree, groups_model, DATA, sites=["mu"])
    with pytest.raises(DataError, match="'sigma'"):
        predict(tree, groups_model, {"y": Y})

    def another():
        pyro.sample("elsewhere", dist.Normal(0, 1))

    with pytest.raises(OptionError, match="none of which is a latent site of 'another'"):
        predict(tree, another)

    def without_sampler(y=None):
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        pyro.sample("y", dist.ImproperUniform(dist.constraints.real, (), ()), obs=y)
        pyro.factor("more", -mu)

    with pytest.raises(ModelError, match="Site 'y' cannot be simulated"):
        predict(tree, without_sampler, {"y": torch.tensor(0.1)})


def test_a_program_that_fails_is_named():
    def failing(y=None):
        mu = pyro.sample("mu", dist.Normal(0.0, 1.0))
        pyro.sample("y", dist.Normal(torch.ones(2) * mu, torch.ones(3)), obs=y)

    with pytest.raises(ModelError, match="failing"):
        predict(posterior(draws=2), failing)


def masked_model(x, y, seen):
    slope = pyro.sample("slope", dist.Normal(0.0, 1.0))
    with pyro.plate("row", len(x)), pyro.poutine.mask(mask=seen):
        pyro.sample("y", dist.Normal(slope * x, 1.0), obs=y)


def test_observations_that_a_mask_leaves_out_are_in_no_check_but_in_predictions():
    seen = torch.tensor([True, False, True, True])
    data = {"x": torch.arange(4.0), "y": torch.tensor([0.1, np.nan, 2.2, 2.9]), "seen": seen}
    slopes = Variable(np.random.default_rng(0).normal(1, 0.1, (2, 30)))
    bare = build_tree({"posterior": {"slope": slopes}})
    tree = complete(bare, masked_model, data, draws=5, coords={"row": ["p", "q", "r", "s"]})
    for group in ("log_likelihood", "posterior_predictive", "prior_predictive", "observed_data"):
        y = tree[group]["y"]
        assert y.dims[-1] == "y_kept", group
        assert list(y["y_kept"].values) == ["p", "r", "s"], group
    assert np.isfinite(tree["observed_data"]["y"]).all()
    expected = stats.norm(slopes.values[..., None] * [0.0, 2, 3], 1).logpdf([0.1, 2.2, 2.9])
    np.testing.assert_allclose(tree["log_likelihood"]["y"], expected)
    assert "predictions" not in predict(tree, masked_model, data).children
    everywhere = predict(tree, masked_model, data, group="predictions")
    assert everywhere["predictions"]["y"].sizes["row"] == 4
