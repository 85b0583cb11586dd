"""Guides that are programs: posteriors against exact ones, and draws that say what they miss."""

from __future__ import annotations

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from torch.distributions import constraints

import probgen as pg
from tests.inference.variational.likelihood.ppca import PPCA

Y = np.random.default_rng(3).normal(1.5, 1.0, 12)
VARIANCE = 1 / (1 / 4.0 + len(Y))
MEAN = VARIANCE * Y.sum()
EVIDENCE = float(
    dist.MultivariateNormal(
        torch.zeros(12, dtype=torch.float64),
        torch.eye(12, dtype=torch.float64) + 4.0 * torch.ones(12, 12, dtype=torch.float64),
    ).log_prob(torch.from_numpy(Y))
)


def conjugate(y, size=12):
    mean = pyro.sample("mean", dist.Normal(0.0, 2.0))
    with pyro.plate("case", 12, subsample_size=size) as rows:
        pyro.sample("y", dist.Normal(mean, 1.0), obs=y[rows])


def normal(y, size=12):
    at = pyro.param("at", torch.tensor(0.0))
    scale = pyro.param("scale", torch.tensor(1.0), constraint=constraints.positive)
    pyro.sample("mean", dist.Normal(at, scale))


def infer(model, guide, data, draws=500, **settings):
    usual = {"steps": 300, "learning_rate": 0.05, "tolerance": None}
    method = pg.SVI(guide=guide, **{**usual, **settings})
    return pg.infer(model, method, data=data, seed=1, chains=2, draws=draws, progress=False)


def test_the_right_family_recovers_an_exact_posterior():
    tree = infer(conjugate, normal, {"y": Y})
    mean = tree.posterior["mean"].values
    assert mean.mean() == pytest.approx(MEAN, abs=0.06)
    assert mean.std() == pytest.approx(VARIANCE**0.5, rel=0.12)
    attrs = tree.attrs
    assert attrs["pareto_k"] < 0.5
    assert attrs["elbo"] == pytest.approx(EVIDENCE, abs=0.05)
    assert attrs["elbo"] <= attrs["iw_elbo"] + 3 * attrs["elbo_error"]
    assert attrs["iw_elbo"] == pytest.approx(EVIDENCE, abs=0.01)
    assert tree["history"]["loss"].shape == (300,)
    wanted = {"log_likelihood", "log_prior", "unconstrained_posterior", "observed_data"}
    assert wanted <= set(tree.children)
    assert pg.diagnose(tree).ok


def five():
    pyro.sample("five", dist.Normal(torch.zeros(5), 1.0).to_event(1))


def narrow():
    pyro.sample("five", dist.Normal(torch.zeros(5), 0.3).to_event(1))


def test_a_guide_that_is_too_narrow_is_not_trusted():
    tree = infer(five, narrow, {}, steps=0, draws=2000)
    assert tree.attrs["pareto_k"] > 0.7
    assert not pg.diagnose(tree).ok


def test_minibatches_of_a_plate_lead_to_the_posterior_of_all_data():
    tree = infer(conjugate, normal, {"y": Y, "size": 4}, steps=500)
    assert float(tree.posterior["mean"].mean()) == pytest.approx(MEAN, abs=0.1)
    mean = tree.posterior["mean"].values
    exact = dist.Normal(0.0, 2.0).log_prob(torch.from_numpy(mean))
    exact = exact + dist.Normal(torch.from_numpy(mean)[..., None], 1.0).log_prob(
        torch.from_numpy(Y)
    ).sum(-1)
    np.testing.assert_allclose(tree.sample_stats["lp"], exact, atol=1e-9)
    assert tree["log_likelihood"]["y"].shape == (2, 500, 12)


def correlated():
    a = pyro.sample("a", dist.Normal(0.0, 1.0))
    pyro.sample("b", dist.Normal(2 * a, 0.5))


def test_the_structured_guide_follows_dependencies():
    tree = infer(correlated, "structured", {}, steps=400)
    a, b = (tree.posterior[name].values.ravel() for name in "ab")
    assert np.corrcoef(a, b)[0, 1] == pytest.approx(2 / np.sqrt(4.25), abs=0.03)
    assert tree.attrs["pareto_k"] < 0.7


def mixture(y):
    at = pyro.sample("at", dist.Normal(0.0, 3.0))
    with pyro.plate("case", len(y)):
        z = pyro.sample("z", dist.Categorical(torch.tensor([0.6, 0.4])))
        pyro.sample("y", dist.Normal(at + 2.0 * z, 1.0), obs=y)


def of_at(y):
    loc = pyro.param("loc", torch.tensor(0.0))
    scale = pyro.param("scale", torch.tensor(1.0), constraint=constraints.positive)
    pyro.sample("at", dist.Normal(loc, scale))


def of_at_and_z(y):
    of_at(y)
    logits = pyro.param("logits", torch.zeros(3, 2))
    with pyro.plate("case", 3):
        pyro.sample("z", dist.Categorical(logits=logits))


FEW = {"y": np.array([-1.0, 1.0, 3.0])}


def exact_mixture():
    """Mean of `at` and of z, on a grid."""
    grid = np.linspace(-8, 8, 4001)
    prior = -0.5 * (grid / 3) ** 2
    each = np.log([0.6, 0.4]) - 0.5 * (FEW["y"][:, None] - grid[:, None, None] - [0.0, 2.0]) ** 2
    lp = prior + np.logaddexp.reduce(each, axis=2).sum(1)
    weights = np.exp(lp - lp.max())
    weights /= weights.sum()
    states = np.exp(each[..., 1] - np.logaddexp.reduce(each, axis=2))
    return weights @ grid, weights @ states


def test_discrete_sites_that_a_guide_leaves_out_are_summed_out():
    tree = infer(mixture, of_at, FEW, steps=200)
    at, z = exact_mixture()
    assert tree.attrs["estimator"] == "enum"
    assert float(tree.posterior["at"].mean()) == pytest.approx(at, abs=0.2)
    found = tree.posterior["z"].mean(("chain", "draw")).values
    np.testing.assert_allclose(found, z, atol=0.1)


def test_discrete_sites_of_a_guide_are_coordinates_of_its_draws():
    tree = infer(mixture, of_at_and_z, FEW, steps=250, resample=True, draws=2000)
    at, z = exact_mixture()
    assert tree.attrs["estimator"] == "graph"
    found = tree.posterior["z"].mean(("chain", "draw")).values
    np.testing.assert_allclose(found, z, atol=0.1)
    assert float(tree.posterior["at"].mean()) == pytest.approx(at, abs=0.2)
    assert set(np.unique(tree.posterior["z"])) == {0, 1}


def test_a_models_own_guide_is_drawn_from_as_it_is():
    model = PPCA(features=3)
    x = model.draw(2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    tree = pg.infer(model, pg.SVI(), data={"x": x}, seed=1, chains=2, draws=1000, progress=False)
    assert tree.attrs["steps"] == 0
    assert "history" not in tree.children
    assert tree.attrs["pareto_k"] < 0.5
    assert tree.attrs["elbo"] == pytest.approx(float(model.exact(x).sum()), abs=1e-4)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    sampled = pg.infer(model, pg.NUTS(), data={"x": x}, seed=1, chains=2, draws=500, warmup=300,
                       progress=False, backend="torch")  # fmt: skip
    difference = tree.posterior["z"].mean(("chain", "draw")) - sampled.posterior["z"].mean(
        ("chain", "draw")
    )
    assert float(abs(difference).max()) < 0.12


def test_a_guide_of_a_model_can_be_trained_for_some_data_and_its_weights_stay():
    model = PPCA(features=3)
    x, before = model.draw(2), model.weight.detach().clone()
    model.error = 0.3
    wrong = pg.infer(model, pg.SVI(), data={"x": x}, seed=1, draws=500, progress=False)
    tuned = infer(model, model.guide, {"x": x}, steps=200)
    assert tuned.attrs["elbo"] > wrong.attrs["elbo"]
    assert torch.equal(model.weight, before)


def test_stored_results_are_those_in_memory(tmp_path):
    settings = {"data": {"y": Y}, "seed": 1, "chains": 2, "draws": 100, "progress": False}
    method = pg.SVI(guide=normal, steps=50, tolerance=None)
    kept = pg.infer(conjugate, method, store=tmp_path / "run.zarr", **settings)
    memory = pg.infer(conjugate, method, **settings)
    np.testing.assert_array_equal(kept.posterior["mean"], memory.posterior["mean"])
    np.testing.assert_array_equal(kept["history"]["loss"], memory["history"]["loss"])


def test_a_point_has_no_density_and_says_so():
    tree = infer(conjugate, pyro.infer.autoguide.AutoDelta, {"y": Y}, steps=300)
    assert tree.posterior["mean"].shape == (1, 1)
    assert float(tree.posterior["mean"].squeeze()) == pytest.approx(MEAN, abs=0.02)
    assert "pareto_k" not in tree.attrs
