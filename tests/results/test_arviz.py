"""What ArviZ offers, called on trees of programs and of networks."""

from __future__ import annotations

import warnings

import arviz_base as azb
import arviz_stats as azs
import matplotlib as mpl
import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

import probgen as pg
from probgen import models
from probgen.inference.complete import complete
from probgen.inference.predict import predict
from probgen.inference.prior import prior

mpl.use("Agg")
azp = pytest.importorskip("arviz_plots")


@pytest.fixture(autouse=True)
def _closed_and_quiet():
    import matplotlib.pyplot as plt

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ArviZ tells of high Pareto k, pandas of itself
        yield
    plt.close("all")


@pytest.fixture(scope="module")
def schools():
    """Eight schools with every group and labels by the user."""
    model = models.load("eight_schools")
    tree = pg.infer(
        model.program, model.method, data=model.data, draws=100, warmup=150, seed=1,
        progress=False, coords={"school": list("ABCDEFGH")},
    )  # fmt: skip
    return complete(tree, model.program, model.data, draws=100)


def counts(x, y=None):
    level = pyro.sample("level", dist.Normal(0.0, 1.0))
    with pyro.plate("day", len(x)):
        pyro.sample("y", dist.Poisson((level + x).exp()), obs=y)


def coins(n, y=None):
    chance = pyro.sample("chance", dist.Beta(1.0, 1.0))
    with pyro.plate("toss", n):
        pyro.sample("y", dist.Bernoulli(chance), obs=y)


@pytest.fixture(scope="module")
def poisson():
    return drawn(counts, {"x": np.linspace(0, 1, 12), "y": np.arange(12) % 4}, scale=0.2)


@pytest.fixture(scope="module")
def bernoulli():
    return drawn(coins, {"n": 20, "y": np.arange(20) % 2}, scale=0.05, around=0.5)


def drawn(model, data, scale, around=0.0):
    """All groups at made-up draws of the one latent site."""
    (name,) = prior(model, data, draws=1)["prior"].data_vars
    values = np.random.default_rng(0).normal(around, scale, (4, 100))
    tree = azb.from_dict({"posterior": {name: values}})
    return complete(tree, model, data, draws=100)


STATISTICS = {
    "summary": lambda t: azs.summary(t),
    "summary of the prior": lambda t: azs.summary(t, group="prior"),
    "loo": lambda t: azs.loo(t, pointwise=True),
    "loo_i": lambda t: azs.loo_i({"school": "A"}, t),
    "loo_pit": lambda t: azs.loo_pit(t),
    "loo_expectations": lambda t: azs.loo_expectations(t),
    "loo_metrics": lambda t: azs.loo_metrics(t),
    "loo_r2": lambda t: azs.loo_r2(t, var_name="y"),
    "loo_score": lambda t: azs.loo_score(t),
    "loo_subsample": lambda t: azs.loo_subsample(t, observations=4),
    "compare": lambda t: azs.compare({"one": t, "two": t}),
    "weight_predictions": lambda t: azs.weight_predictions([t, t], weights=[0.5, 0.5]),
    "psense": lambda t: azs.psense(t),
    "psense_summary": lambda t: azs.psense_summary(t, var_names=["mu", "tau"]),
    "bayes_factor": lambda t: azs.bayes_factor(t, var_names="mu"),
    "ess": lambda t: azs.ess(t),
    "rhat": lambda t: azs.rhat(t),
    "rhat_nested": lambda t: azs.rhat_nested(t, superchain_ids=[0, 0, 1, 1]),
    "mcse": lambda t: azs.mcse(t),
    "hdi": lambda t: azs.hdi(t),
    "eti": lambda t: azs.eti(t),
    "bfmi": lambda t: azs.bfmi(t),
    "metrics": lambda t: azs.metrics(t),
    "residual_r2": lambda t: azs.residual_r2(t, pred_mean="theta"),
    "ci_in_rope": lambda t: azs.ci_in_rope(t, rope=(-1, 1)),
    "kl_divergence": lambda t: azs.kl_divergence(t, t, var_names=["mu", "tau"], num_samples=200),
    "wasserstein": lambda t: azs.wasserstein(t, t, var_names=["mu", "tau"], num_samples=200),
    "thin": lambda t: azs.thin(t),
    "extract": lambda t: azb.extract(t, group="posterior_predictive"),
    "unconstrained samples": lambda t: azb.get_unconstrained_samples(t),
}


@pytest.mark.parametrize("name", STATISTICS)
def test_statistics_of_a_program(schools, name):
    assert STATISTICS[name](schools) is not None


def test_statistics_have_the_labels_and_values_of_the_tree(schools):
    assert "theta[C]" in azs.summary(schools).index
    loo = azs.loo(schools, pointwise=True)
    assert list(loo.elpd_i["school"].values) == list("ABCDEFGH")
    likelihood = schools["log_likelihood"]["y"].values.reshape(-1, 8)
    lpd = (np.logaddexp.reduce(likelihood, axis=0) - np.log(len(likelihood))).sum()
    assert loo.elpd < lpd  # leaving out costs
    assert loo.elpd == pytest.approx(lpd, abs=2.0)
    pit = azs.loo_pit(schools)["y"].values
    assert ((pit >= 0) & (pit <= 1)).all()


SOME = {"var_names": ["mu", "tau"]}
PLOTS = {
    "plot_autocorr": SOME,
    "plot_bf": {"var_names": "mu"},
    "plot_convergence_dist": {},
    "plot_dist": {},
    "plot_energy": {},
    "plot_ess": SOME,
    "plot_ess_evolution": SOME,
    "plot_forest": {"var_names": ["mu", "theta"]},
    "plot_loo_pit": {},
    "plot_mcse": SOME,
    "plot_pair": SOME,
    "plot_pair_focus": {"focus_var": "tau", "var_names": ["mu"]},
    "plot_parallel": {},
    "plot_ppc_dist": {},
    "plot_ppc_interval": {},
    "plot_ppc_pit": {},
    "plot_ppc_tstat": {},
    "plot_prior_posterior": SOME,
    "plot_psense_dist": SOME,
    "plot_psense_quantities": SOME,
    "plot_rank": {"var_names": ["mu"]},
    "plot_rank_dist": {"var_names": ["mu"]},
    "plot_ridge": {},
    "plot_trace": SOME,
    "plot_trace_dist": SOME,
    "plot_dgof": {"var_names": ["mu"]},
    "plot_lm": {"x": "sigma"},
}
SLOW = ("plot_psense_dist", "plot_psense_quantities", "plot_rank_dist", "plot_ess_evolution",
        "plot_trace_dist", "plot_dgof", "plot_parallel", "plot_autocorr", "plot_ess",
        "plot_mcse", "plot_dist", "plot_convergence_dist")  # fmt: skip


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in PLOTS]
)
def test_plots_of_a_program(schools, name, tmp_path):
    plot = getattr(azp, name)(schools, **PLOTS[name])
    plot.savefig(tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 2000


def test_plots_of_what_was_computed(schools, tmp_path):
    azp.plot_khat(azs.loo(schools, pointwise=True)).savefig(tmp_path / "khat.png")
    azp.plot_compare(azs.compare({"one": schools, "two": schools}))
    azp.plot_ppc_dist(schools, group="prior_predictive")


def test_predictions_are_plotted_over_new_data(schools):
    model = models.load("eight_schools")
    data = {"sigma": torch.linspace(5, 20, 8)}
    tree = predict(schools, model.program, data)
    assert list(tree["predictions_constant_data"]["sigma"].dims) == ["school"]
    assert azb.extract(tree, group="predictions").dims == ("school", "sample")


def test_plots_of_counts_and_of_truth_values(poisson, bernoulli):
    azp.plot_ppc_rootogram(poisson)
    azp.plot_ppc_dist(poisson)
    azs.loo_pit(poisson)
    azs.metrics(bernoulli, kind="acc")
    azp.plot_ppc_pava(bernoulli)


def test_a_continuous_observation_is_no_count(schools):
    with pytest.raises(ValueError, match="continuous"):
        azp.plot_ppc_rootogram(schools)


@pytest.fixture(scope="module")
def asia():
    network = pg.load_network("asia")
    data = {"xray": "yes", "dysp": "no"}
    return predict(
        pg.infer(network, pg.Gibbs(), data=data, chains=4, draws=200, seed=1, progress=False),
        network,
        data,
    )


def test_a_network(asia, tmp_path):
    table = azs.summary(asia, var_names=["smoke", "bronc"])
    assert list(table.index) == ["smoke", "bronc"]
    for function in (azs.ess, azs.rhat, azs.mcse):
        assert np.isfinite(float(function(asia)["smoke"]))
    azp.plot_trace(asia, var_names=["smoke"]).savefig(tmp_path / "trace.png")
    azp.plot_rank(asia, var_names=["smoke"])
    azp.plot_forest(asia, var_names=["smoke", "bronc"])
    assert set(asia["posterior_predictive"].data_vars) == {"xray", "dysp"}
    assert azb.extract(asia).sizes["sample"] == 800
