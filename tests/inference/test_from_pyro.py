"""Results of Pyro as DataTrees: MCMC runs, guides, samples; against what Pyro itself says."""

from __future__ import annotations

import copy
import json
from math import lgamma, log

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.infer import HMC, MCMC, SVI, Predictive, Trace_ELBO
from pyro.infer.autoguide import AutoDelta, AutoNormal
from pyro.infer.mcmc.api import StreamingMCMC
from scipy import stats

import probgen as pg
from probgen.errors import DataError, OptionError
from probgen.inference.from_pyro import from_pyro
from probgen.inference.pyro_results.source import named_arguments

SIGMA = torch.tensor([1.0, 2.0, 0.5])
Y = torch.tensor([0.3, -1.0, 2.0])


def groups_model(sigma, y=None):
    mu = pyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = pyro.sample("tau", dist.LogNormal(0.0, 0.5))
    with pyro.plate("group", len(sigma)):
        theta = pyro.sample("theta", dist.Normal(mu, tau))
        pyro.deterministic("twice", 2 * theta, event_dim=0)
        pyro.sample("y", dist.Normal(theta, sigma), obs=y)


@pytest.fixture(scope="module")
def mcmc():
    """One short run with divergences, which a step of this length brings."""
    pyro.set_rng_seed(3)
    kernel = HMC(groups_model, step_size=0.9, num_steps=2, adapt_step_size=False)
    run = MCMC(kernel, num_samples=25, warmup_steps=2, disable_progbar=True)
    run.run(SIGMA, y=Y)
    run._diagnostics[0]["divergences"] = [3, 24]
    return run


def test_an_mcmc_run_has_its_draws_statistics_and_densities(mcmc):
    tree = from_pyro(mcmc, coords={"group": ["a", "b", "c"]})
    posterior = tree["posterior"]
    assert set(posterior.data_vars) == {"mu", "tau", "theta", "twice"}
    for name, samples in mcmc.get_samples(group_by_chain=True).items():
        np.testing.assert_array_equal(posterior[name].values, samples.numpy())
    np.testing.assert_allclose(posterior["twice"], 2 * posterior["theta"])
    assert posterior["theta"].dims == ("chain", "draw", "group")
    assert np.flatnonzero(tree["sample_stats"]["diverging"].values[0]).tolist() == [3, 24]
    rate = mcmc.diagnostics()["acceptance rate"]["chain 0"]
    assert json.loads(tree.attrs["acceptance_rate"]) == [pytest.approx(rate)]
    mu, tau, theta = (posterior[name].values for name in ("mu", "tau", "theta"))
    likelihood = stats.norm(theta, SIGMA).logpdf(Y)
    np.testing.assert_allclose(tree["log_likelihood"]["y"], likelihood, rtol=1e-6)
    prior = stats.norm(0, 5).logpdf(mu) + stats.lognorm(0.5).logpdf(tau)
    prior = prior + stats.norm(mu[..., None], tau[..., None]).logpdf(theta).sum(-1)
    lp = prior + likelihood.sum(-1) + np.log(tau)
    np.testing.assert_allclose(tree["sample_stats"]["lp"], lp, rtol=1e-6)
    for group in ("posterior", "log_likelihood", "observed_data", "constant_data"):
        assert list(tree[group]["group"].values) == ["a", "b", "c"], group
    np.testing.assert_array_equal(tree["observed_data"]["y"], Y)
    np.testing.assert_array_equal(tree["constant_data"]["sigma"], SIGMA)


def test_chains_are_kept_apart(mcmc):
    two = copy.copy(mcmc)
    two.num_chains = 2
    two._samples = {name: torch.cat([v, v + 1]) for name, v in mcmc._samples.items()}
    two._diagnostics = [{"divergences": [0]}, {"divergences": [5]}]
    tree = from_pyro(two, log_likelihood=False)
    assert tree["posterior"].sizes["chain"] == 2
    gap = tree["posterior"]["mu"].sel(chain=1).values - tree["posterior"]["mu"].sel(chain=0).values
    np.testing.assert_allclose(gap, 1.0, atol=1e-5)
    diverging = tree["sample_stats"]["diverging"].values
    assert np.argwhere(diverging).tolist() == [[0, 0], [1, 5]]
    assert "log_likelihood" not in tree.children
    assert "acceptance_rate" not in tree.attrs


def test_samples_of_predictive_go_to_their_groups(mcmc):
    samples = mcmc.get_samples()
    replicates = Predictive(groups_model, samples)(SIGMA)
    before = Predictive(groups_model, num_samples=12, parallel=True)(SIGMA)
    assert before["mu"].shape == (12, 1)  # what Predictive makes of a scalar
    tree = from_pyro(
        samples,
        groups_model,
        {"sigma": SIGMA, "y": Y},
        posterior_predictive=replicates,
        prior=before,
        num_chains=5,
    )
    assert tree["posterior"]["theta"].shape == (5, 5, 3)
    assert list(tree["posterior_predictive"].data_vars) == ["y"]
    assert tree["posterior_predictive"]["y"].dims == ("chain", "draw", "group")
    np.testing.assert_array_equal(
        tree["posterior_predictive"]["y"].values.reshape(25, 3), replicates["y"]
    )
    assert tree["prior"]["mu"].shape == (1, 12)
    assert tree["prior"]["theta"].dims == ("chain", "draw", "group")
    assert list(tree["prior_predictive"].data_vars) == ["y"]
    assert "lp" in tree["sample_stats"]


def test_samples_without_a_model_are_draws_alone():
    tree = from_pyro({"mu": torch.zeros(6), "theta": np.ones((6, 3))}, num_chains=2)
    assert list(tree.children) == ["posterior"]
    assert tree["posterior"]["theta"].shape == (2, 3, 3)
    tree = from_pyro(predictions={"y": torch.zeros(4, 2)}, dims={"y": ["day"]})
    assert tree["predictions"]["y"].dims == ("chain", "draw", "day")


def conjugate(y):
    rate = pyro.sample("rate", dist.Gamma(2.0, 3.0))
    with pyro.plate("row", len(y)):
        pyro.sample("y", dist.Exponential(rate), obs=y)


Z = torch.tensor([0.3, 1.2, 0.8])


def exact_guide(y):
    """The posterior of `conjugate` in closed form."""
    pyro.sample("rate", dist.Gamma(2.0 + len(y), 3.0 + y.sum()))


def rough_guide(y):
    pyro.sample("rate", dist.LogNormal(0.0, 0.2))


def test_ratios_of_an_exact_guide_are_the_evidence():
    tree = from_pyro(exact_guide, conjugate, {"y": Z}, draws=400, num_chains=2, seed=1)
    rate = tree["posterior"]["rate"].values
    assert rate.shape == (2, 400)
    shape, scale = 5.0, 1 / (3 + float(Z.sum()))
    assert stats.kstest(rate.ravel(), stats.gamma(shape, scale=scale).cdf).pvalue > 1e-4
    evidence = 2 * log(3) - lgamma(2) + lgamma(5) - 5 * log(3 + float(Z.sum()))
    ratios = tree["sample_stats"]["lp"] - tree["sample_stats"]["log_q"]
    np.testing.assert_allclose(ratios, evidence, atol=1e-5)
    assert tree.attrs["pareto_k"] == 0.0
    assert tree.attrs["approximation"] == 1


def test_a_rough_guide_is_told_by_its_pareto_k():
    tree = from_pyro(rough_guide, conjugate, {"y": Z}, draws=2000, seed=1)
    assert tree.attrs["pareto_k"] > 0.7
    assert "cannot be trusted" in tree.attrs["notes"]


def test_a_guide_that_is_a_point_is_one_draw_without_a_density():
    pyro.clear_param_store()
    tree = from_pyro(AutoDelta(conjugate), data={"y": Z}, draws=50)
    assert tree["posterior"]["rate"].shape == (1, 1)
    assert "log_q" not in tree["sample_stats"]
    assert "pareto_k" not in tree.attrs
    verdict = pg.diagnose(tree)
    assert any(finding.check == "point estimate" for finding in verdict.findings)
    pyro.clear_param_store()


def test_guides_and_svi_of_pyro():
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    guide = AutoNormal(conjugate)
    svi = SVI(conjugate, guide, pyro.optim.Adam({"lr": 0.05}), Trace_ELBO())
    for _ in range(30):
        svi.step(Z)
    from_guide = from_pyro(guide, data={"y": Z}, draws=800, seed=2)
    from_svi = from_pyro(svi, data={"y": Z}, draws=800, seed=2)
    assert from_guide["posterior"].equals(from_svi["posterior"])
    assert from_guide.attrs["model"] == "conjugate"
    location = guide.median(Z)["rate"].item()
    assert np.median(from_guide["posterior"]["rate"]) == pytest.approx(location, rel=0.1)
    loc, scale = (part.rate.item() for part in (guide.locs, guide.scales))
    log_rate = np.log(from_guide["posterior"]["rate"].values)
    expected = stats.norm(loc, scale).logpdf(log_rate)  # of the unconstrained coordinate
    np.testing.assert_allclose(from_guide["sample_stats"]["log_q"], expected, atol=1e-4)
    assert list(from_guide["posterior"].data_vars) == ["rate"]
    pyro.clear_param_store()


def test_losses_of_the_training_are_kept_and_judged():
    tree = from_pyro(rough_guide, conjugate, {"y": Z}, draws=50, losses=np.linspace(90, 10, 200))
    assert tree["history"]["loss"].dims == ("step",)
    assert tree.attrs["method"] == "rough_guide"
    assert "still fell" in next(f.message for f in pg.diagnose(tree).findings if f.check == "ELBO")
    with pytest.raises(DataError, match="losses"):
        from_pyro(rough_guide, conjugate, {"y": Z}, losses=["low"])


def test_what_is_no_result_is_refused():
    with pytest.raises(OptionError, match="int is no result of Pyro"):
        from_pyro(3)
    with pytest.raises(OptionError, match="nothing to convert"):
        from_pyro()
    with pytest.raises(OptionError, match="takes the samples of a Predictive: call it"):
        from_pyro(Predictive(conjugate, num_samples=3))
    with pytest.raises(OptionError, match="no samples yet"):
        from_pyro(MCMC(HMC(conjugate), num_samples=2))
    with pytest.raises(OptionError, match="StreamingMCMC keeps no samples"):
        from_pyro(StreamingMCMC(HMC(conjugate), num_samples=2))
    with pytest.raises(DataError, match="cannot be divided among num_chains=4"):
        from_pyro({"mu": torch.zeros(6)}, num_chains=4)
    with pytest.raises(DataError, match="'b' has 5 samples and another site 6"):
        from_pyro({"a": torch.zeros(6), "b": torch.zeros(5)})
    with pytest.raises(DataError, match="samples of 'a' must be an array"):
        from_pyro({"a": "pickle"})
    with pytest.raises(DataError, match="The guide cannot be run"):
        from_pyro(exact_guide, conjugate)


def test_what_a_model_does_not_allow_is_a_note():
    lacking = from_pyro({"mu": torch.zeros(4)}, groups_model, {"sigma": SIGMA, "y": Y})
    assert list(lacking["posterior"].data_vars) == ["mu"]
    assert "lack the site 'tau'" in lacking.attrs["notes"]
    unread = from_pyro({"mu": torch.zeros(4)}, groups_model, {"wrong": SIGMA})
    assert "'wrong'" in unread.attrs["notes"]


def test_positional_arguments_get_their_names():
    def program(a, b=1, *rest, c=2):
        return a, b, rest, c

    assert named_arguments(program, (1, 2), {"c": 3})[1] == {"a": 1, "b": 2, "c": 3}
    bound, data = named_arguments(program, (1, 2, 9), {"c": 3})
    assert bound(**data) == (1, 2, (9,), 3)
    module = torch.nn.Linear(2, 2)
    assert list(named_arguments(module, (torch.zeros(2),), {})[1]) == ["input"]
