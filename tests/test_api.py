"""`infer` and `predict` end to end, on small programs."""

import json
import signal
import threading

import arviz_stats as azs
import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

import probgen as pg
from probgen.errors import DataError, InitialisationError, ModelError, OptionError
from probgen.targets.density import EagerDensityWarning

Y = np.array([1.2, 0.4, 2.1, 1.7, -0.3])
SHORT = {"chains": 2, "draws": 150, "warmup": 150, "seed": 3, "progress": False}


def normal_mean(y=None, n=5):
    mu = pyro.sample("mu", dist.Normal(0, 10))
    scale = pyro.sample("scale", dist.HalfNormal(2.0))
    pyro.deterministic("double", 2 * mu)
    with pyro.plate("row", n):
        pyro.sample("y", dist.Normal(mu, scale), obs=y)


@pytest.fixture(scope="module")
def tree():
    return pg.infer(normal_mean, data={"y": Y}, seed=1, progress=False)


def test_groups_and_dimensions(tree):
    assert set(tree.children) == {
        "posterior", "sample_stats", "log_likelihood", "log_prior", "observed_data",
        "unconstrained_posterior", "adaptation",
    }  # fmt: skip
    assert tree["log_likelihood"]["y"].dims == ("chain", "draw", "row")
    assert set(tree["posterior"].data_vars) == {"mu", "scale", "double"}
    assert set(tree["log_prior"].data_vars) == {"mu", "scale"}
    np.testing.assert_array_equal(tree["observed_data"]["y"].values, Y)


def test_parts_agree_with_each_other(tree):
    posterior, unconstrained = tree["posterior"], tree["unconstrained_posterior"]
    np.testing.assert_allclose(posterior["double"], 2 * posterior["mu"])
    np.testing.assert_allclose(posterior["scale"], np.exp(unconstrained["scale"]))
    expected = torch.distributions.Normal(
        torch.as_tensor(posterior["mu"].values)[..., None],
        torch.as_tensor(posterior["scale"].values)[..., None],
    ).log_prob(torch.as_tensor(Y))
    np.testing.assert_allclose(tree["log_likelihood"]["y"], expected.numpy(), rtol=1e-10)
    # lp is the log density in unconstrained space: the parts plus the Jacobian of exp
    parts = tree["log_prior"]["mu"] + tree["log_prior"]["scale"]
    parts = parts + tree["log_likelihood"]["y"].sum("row") + unconstrained["scale"]
    np.testing.assert_allclose(tree["sample_stats"]["lp"], parts, rtol=1e-10)


def test_attributes_say_how_the_draws_came_about(tree):
    attrs = tree.attrs
    assert attrs["method"] == "NUTS"
    assert attrs["seed"] == 1
    assert attrs["backend"] == "native"
    assert attrs["gradient_evaluations"] > 0
    assert attrs["gradient_evaluations_warmup"] > 0
    assert "torch" in json.loads(attrs["versions"])
    for name in ("seconds_trace", "seconds_compile", "seconds_warmup", "seconds_sampling"):
        assert attrs[name] >= 0


def test_arviz_takes_the_tree(tree):
    assert set(azs.summary(tree).index) == {"mu", "scale", "double"}
    assert np.isfinite(azs.loo(tree).elpd)


def test_same_seed_same_draws_whatever_the_threads():
    one = pg.infer(normal_mean, data={"y": Y}, threads=1, **SHORT)
    two = pg.infer(normal_mean, data={"y": Y}, threads=2, **SHORT)
    np.testing.assert_array_equal(one["posterior"]["mu"], two["posterior"]["mu"])


def test_eager_backend_gives_the_same_posterior(tree):
    eager = pg.infer(normal_mean, data={"y": Y}, backend="eager", **SHORT)
    assert eager.attrs["backend"] == "eager"
    difference = float(eager["posterior"]["mu"].mean() - tree["posterior"]["mu"].mean())
    error = float(tree["posterior"]["mu"].std()) / np.sqrt(azs.ess(eager)["mu"].item())
    assert abs(difference) < 5 * error


def test_warmup_is_kept_on_request():
    tree = pg.infer(normal_mean, data={"y": Y}, keep_warmup=True, **SHORT)
    assert tree["warmup_posterior"].sizes["draw"] == 150
    assert "lp" in tree["warmup_sample_stats"].data_vars


def test_one_chain_and_no_draws():
    assert (
        pg.infer(normal_mean, data={"y": Y}, **{**SHORT, "chains": 1}).posterior.sizes["chain"]
        == 1
    )
    empty = pg.infer(normal_mean, data={"y": Y}, **{**SHORT, "draws": 0})
    assert empty["posterior"].sizes["draw"] == 0


@pytest.mark.parametrize("init", ["prior", {"mu": 3.0}, {"mu": [1.0, 2.0], "scale": 0.5}])
def test_starting_values(init):
    tree = pg.infer(normal_mean, data={"y": Y}, init=init, **SHORT)
    assert np.isfinite(tree["posterior"]["mu"]).all()


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"data": {"z": Y}}, DataError, "no argument named 'z'"),
        ({"data": {"y": Y}, "chains": 0}, OptionError, "chains=0"),
        ({"data": {"y": Y}, "draws": -1}, OptionError, "draws=-1"),
        ({"data": {"y": Y}, "init": "nowhere"}, OptionError, "init='nowhere'"),
        ({"data": {"y": Y}, "init": {"nu": 1.0}}, InitialisationError, "'nu'"),
        ({"data": {"y": Y}, "init": {"scale": -1.0}}, InitialisationError, "support"),
        ({"data": {"y": ["a", "b"]}}, DataError, r"data\['y'\]"),
    ],
)
def test_bad_calls_name_what_is_wrong(options, error, words):
    with pytest.raises(error, match=words):
        pg.infer(normal_mean, progress=False, **options)


def test_a_program_that_raises_is_named():
    def broken(y=None):
        raise ZeroDivisionError("by design")

    with pytest.raises(ModelError, match="by design"):
        pg.infer(broken, progress=False)


def test_data_dependent_control_flow_falls_back_and_says_so():
    def branching(y):
        mu = pyro.sample("mu", dist.Normal(0, 1))
        pyro.sample("y", dist.Normal(mu, 1.0 if mu > 0 else 2.0), obs=y)

    with pytest.warns(EagerDensityWarning, match="branching"):
        tree = pg.infer(branching, data={"y": 0.3}, **{**SHORT, "draws": 20, "warmup": 20})
    assert tree.attrs["backend"] == "eager"
    assert tree.attrs["backend_reason"]


def test_improper_flat_sites_start_from_support_and_shape():
    def flat(y):
        mu = pyro.sample("mu", dist.ImproperUniform(dist.constraints.real, (), ()))
        scale = pyro.sample("scale", dist.HalfCauchy(1.0).mask(False))
        with pyro.plate("row", len(y)):
            pyro.sample("y", dist.Normal(mu, scale), obs=y)

    tree = pg.infer(flat, data={"y": Y}, seed=1, progress=False)
    # Exact under the prior 1/scale**0: mu is a shifted Student t with n - 2 degrees of freedom.
    error = float(tree["posterior"]["mu"].std()) / np.sqrt(azs.ess(tree)["mu"].item())
    assert abs(float(tree["posterior"]["mu"].mean()) - Y.mean()) < 5 * error


def test_an_interrupt_returns_the_finished_draws():
    timer = threading.Timer(2.5, signal.raise_signal, [signal.SIGINT])
    timer.start()
    tree = pg.infer(
        normal_mean, data={"y": Y}, backend="eager", chains=1, draws=1_000_000, warmup=20, seed=1,
        progress=False, log_likelihood=False,
    )  # fmt: skip
    assert tree.attrs["interrupted"] == 1
    assert 0 < tree["posterior"].sizes["draw"] < 1_000_000
    assert np.isfinite(tree["posterior"]["mu"]).all()


def test_predict_draws_observed_sites_anew(tree):
    predicted = pg.predict(tree, normal_mean, {"y": Y}, seed=2)
    draws = predicted["posterior_predictive"]["y"]
    assert draws.dims == ("chain", "draw", "row")
    spread = np.sqrt(
        float((tree["posterior"]["scale"] ** 2).mean()) + float(tree["posterior"]["mu"].var())
    )
    assert abs(float(draws.std()) / spread - 1) < 0.1
    assert "posterior_predictive" not in tree.children


def test_predict_for_new_data_and_chosen_sites(tree):
    predicted = pg.predict(tree, normal_mean, {"n": 7}, group="predictions", sites=["y", "double"])
    assert predicted["predictions"]["y"].sizes["row"] == 7
    np.testing.assert_allclose(predicted["predictions"]["double"], tree["posterior"]["double"])
    with pytest.raises(OptionError, match="'nothing'"):
        pg.predict(tree, normal_mean, {"y": Y}, sites=["nothing"])
    with pytest.raises(OptionError, match="first argument"):
        pg.predict(normal_mean, tree)


def test_predict_falls_back_to_one_draw_at_a_time(tree):
    def unbatchable(y=None, n=5):
        mu = pyro.sample("mu", dist.Normal(0, 10))
        scale = pyro.sample("scale", dist.HalfNormal(2.0))
        pyro.sample("y", dist.Normal(mu.item(), scale).expand([n]).to_event(1), obs=y)

    few = tree.isel(draw=slice(0, 10))
    predicted = pg.predict(few, unbatchable, {"y": Y})
    assert predicted["posterior_predictive"]["y"].shape == (4, 10, 5)
