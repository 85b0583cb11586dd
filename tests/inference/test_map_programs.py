"""Posterior modes of programs: closed forms, both scales, several modes, and none."""

from __future__ import annotations

import json

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

import probgen as pg
from probgen.declare.network import Factor, Network
from probgen.errors import OptionError, SamplingError
from probgen.inference import mode
from tests.inference.conformance import run
from tests.inference.targets import SKEWED


def mode_of(model, method=None, **options):
    return pg.infer(model, method or pg.MAP(), seed=1, progress=False, **options)


def ridge(x, y):
    slope = pyro.sample("slope", dist.Normal(torch.zeros(x.shape[1]), 2.0).to_event(1))
    pyro.sample("y", dist.Normal(x @ slope, 0.5).to_event(1), obs=y)


def test_ridge_regression():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(30, 4)) * [1.0, 100.0, 0.01, 1.0]
    y = rng.normal(size=30)
    tree = mode_of(ridge, data={"x": x, "y": y})
    truth = np.linalg.solve(x.T @ x / 0.25 + np.eye(4) / 4, x.T @ y / 0.25)
    assert tree.posterior.slope.shape == (1, 1, 4)
    np.testing.assert_allclose(tree.posterior.slope.values[0, 0], truth, rtol=1e-6)
    attrs = tree.attrs
    assert attrs["converged"]
    assert attrs["gradient_norm"] < 1e-3
    assert attrs["lp"] == tree.sample_stats.lp.item()
    assert len(json.loads(attrs["heights"])) == 4  # one climb per chain
    assert json.loads(attrs["notes"]) == []


def coin():
    p = pyro.sample("p", dist.Beta(2.0, 3.0))
    pyro.sample("heads", dist.Binomial(10, p), obs=torch.tensor(7.0))


def check_coin() -> None:
    """p ~ Beta(9, 6): the mode of its logit has p = 9 / 15, that of p itself is 8 / 13."""
    assert mode_of(coin).posterior.p.item() == pytest.approx(9 / 15, abs=1e-7)
    constrained = mode_of(coin, pg.MAP(jacobian=False))
    assert constrained.posterior.p.item() == pytest.approx(8 / 13, abs=1e-7)
    density = dist.Beta(2.0, 3.0).log_prob(torch.tensor(8 / 13, dtype=torch.float64))
    density += dist.Binomial(10, torch.tensor(8 / 13, dtype=torch.float64)).log_prob(
        torch.tensor(7.0, dtype=torch.float64)
    )
    assert constrained.attrs["lp"] == pytest.approx(float(density))


def test_beta_binomial_on_both_scales():
    check_coin()


def test_a_jacobian_that_stays_is_noticed(monkeypatch):
    monkeypatch.setattr(mode, "replace", lambda program, jacobian: program)
    with pytest.raises(AssertionError):
        check_coin()


def two_peaks():
    x = pyro.sample("x", dist.Normal(0.0, 10.0))
    peaks = torch.stack([-2 * (x + 3) ** 2, -2 * (x - 3) ** 2 - 1])
    pyro.factor("peaks", torch.logsumexp(peaks, 0))


def test_starts_that_disagree_are_noted():
    tree = mode_of(two_peaks, init={"x": [-2.0, 2.0, 2.5, -1.0]})
    assert tree.posterior.x.item() == pytest.approx(-3, abs=0.02)
    (note,) = json.loads(tree.attrs["notes"])
    assert "found 2 different modes" in note
    (note,) = json.loads(mode_of(two_peaks, init={"x": [2.0] * 4}).attrs["notes"]) or [""]
    assert not note


def two_alike():
    x = pyro.sample("x", dist.Normal(0.0, 10.0))
    pyro.factor("peaks", torch.logsumexp(-2 * torch.stack([x + 3, x - 3]) ** 2, 0))


def test_modes_of_the_same_height_are_noted():
    tree = mode_of(two_alike, init={"x": [-2.0, 2.0, 2.5, 3.0]})
    (note,) = json.loads(tree.attrs["notes"])
    assert "other modes of the same height" in note
    assert json.loads(mode_of(two_alike, init={"x": [2.0, 4.0] * 2}).attrs["notes"]) == []


def schools(centred: bool):
    y = torch.tensor([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
    sigma = torch.tensor([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])
    mu = pyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = pyro.sample("tau", dist.HalfCauchy(5.0))
    with pyro.plate("school", 8):
        if centred:
            theta = pyro.sample("theta", dist.Normal(mu, tau))
        else:
            theta = mu + tau * pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("y", dist.Normal(theta, sigma), obs=y)


def test_a_scale_that_runs_away_is_named():
    with pytest.raises(SamplingError, match=r"No mode was found.*along tau.*non-centred"):
        mode_of(schools, pg.MAP(max_iterations=500), data={"centred": True})
    assert np.isfinite(mode_of(schools, data={"centred": False}).attrs["lp"])


def test_improper_posteriors_are_named():
    def rising():
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.factor("more", z**2 - x)

    with pytest.raises(SamplingError, match="mostly along z"):
        mode_of(rising)


def kinked():
    x = pyro.sample("x", dist.Laplace(0.0, 1.0))
    pyro.sample("y", dist.Normal(x, 1.0), obs=torch.tensor(0.4))


def test_a_kink_is_said_to_be_one():
    """The mode of a Laplace prior near zero data is its kink, where no gradient vanishes."""
    tree = mode_of(kinked)
    assert tree.posterior.x.item() == pytest.approx(0, abs=1e-6)
    assert not tree.attrs["converged"]
    assert "a kink or an edge" in json.loads(tree.attrs["notes"])[0]


def test_same_seed_same_mode():
    one, two = mode_of(coin), mode_of(coin)
    assert one.posterior.p.item() == two.posterior.p.item()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"jacobian": 1}, r"jacobian=1\): it must be True"), ({"max_iterations": 0}, "integer >= 1")],
)
def test_settings_out_of_range(options, message):
    with pytest.raises(OptionError, match=message):
        pg.MAP(**options)


def test_options_of_the_other_world():
    with pytest.raises(OptionError, match="only networks can be maximised over some"):
        mode_of(coin, pg.MAP(variables=("p",)))
    network = Network(("a",), (("no", "yes"),), (Factor((0,), np.log([0.4, 0.6]), 0),))
    with pytest.raises(OptionError, match="a network has no Jacobians"):
        mode_of(network, pg.MAP(jacobian=False))
    with pytest.raises(OptionError, match="only the density of a program has Jacobians"):
        run(pg.MAP(jacobian=False), SKEWED.native())
