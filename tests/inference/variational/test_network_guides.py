"""Guides of discrete networks: marginals against exact ones."""

from __future__ import annotations

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pgmpy.factors.discrete import TabularCPD
from pgmpy.models import DiscreteBayesianNetwork

import probgen as pg
from probgen.errors import ModelError, OptionError


@pytest.fixture
def network():
    made = DiscreteBayesianNetwork([("a", "b"), ("b", "c"), ("a", "d")])
    made.add_cpds(
        TabularCPD("a", 2, [[0.3], [0.7]]),
        TabularCPD("b", 3, [[0.2, 0.5], [0.3, 0.4], [0.5, 0.1]], ["a"], [2]),
        TabularCPD("c", 2, [[0.9, 0.2, 0.4], [0.1, 0.8, 0.6]], ["b"], [3]),
        TabularCPD("d", 2, [[0.6, 0.1], [0.4, 0.9]], ["a"], [2]),
    )
    return made


def summed(c):
    """Of a and b given a, every state in turn; d is left to the network."""
    a = pyro.param("a_logits", torch.zeros(2))
    b = pyro.param("b_logits", torch.zeros(2, 3))
    every = {"enumerate": "parallel"}
    a = pyro.sample("a", dist.Categorical(logits=a), infer=every)
    pyro.sample("b", dist.Categorical(logits=b[a]), infer=every)


def sampled(c):
    """Of a alone, by draws."""
    pyro.sample("a", dist.Categorical(logits=pyro.param("logits", torch.zeros(2))))


def nothing(c):
    """All variables are left to the network."""


def other(c):
    pyro.sample("nobody", dist.Categorical(torch.ones(2)))


def infer(network, guide, steps=150, **settings):
    method = pg.SVI(guide=guide, steps=steps, learning_rate=0.1, tolerance=None, **settings)
    return pg.infer(network, method, data={"c": 1}, seed=1, progress=False)


@pytest.mark.parametrize("guide", [summed, sampled, nothing], ids=lambda guide: guide.__name__)
def test_marginals_are_those_of_exact_inference(network, guide):
    exact = pg.infer(network, pg.Exact(), data={"c": 1}, progress=False)
    tree = infer(network, guide, resample=guide is sampled)
    wanted, found = pg.marginals(exact)["probability"], pg.marginals(tree)
    assert list(found.index) == list(wanted.index)
    error = np.abs(found["probability"] - wanted)
    assert (error < 5 * found["mcse"] + 1e-12).all()
    relative = np.sqrt(max(4000 / tree.attrs["importance_ess"] - 1, 0) / 4000)
    truth = pytest.approx(exact.attrs["log_evidence"], abs=5 * relative + 1e-6)
    assert tree.attrs["log_evidence"] == truth
    assert tree.attrs["pareto_k"] < 0.7
    assert tree.posterior["d"].dtype == np.int8


def test_an_untrained_guide_of_a_network_is_not_the_posterior(network):
    exact = pg.infer(network, pg.Exact(), data={"c": 1}, progress=False)
    tree = infer(network, summed, steps=0)
    error = np.abs(pg.marginals(tree)["probability"] - pg.marginals(exact)["probability"])
    assert (error > 5 * pg.marginals(tree)["mcse"]).any()
    assert tree.attrs["elbo"] < exact.attrs["log_evidence"] - 0.05


def test_mean_field_by_name_is_coordinate_ascent(network):
    named = infer(network, "mean_field")
    ascent = pg.infer(network, pg.MeanField(), data={"c": 1}, seed=1, progress=False)
    np.testing.assert_allclose(
        named["marginals"]["probability"], ascent["marginals"]["probability"]
    )


def test_what_a_network_cannot_take_says_so(network):
    with pytest.raises(OptionError, match=r"guide of continuous sites.*Exact"):
        infer(network, "multivariate")
    with pytest.raises(ModelError, match="'nobody'"):
        infer(network, other)
