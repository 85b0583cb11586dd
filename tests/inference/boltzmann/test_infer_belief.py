"""Draws of deep belief networks by `infer`, against sums over all states."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import probgen as pg
from probgen.errors import DataError, OptionError
from probgen.inference import infer_belief as module
from probgen.models.dbn import DBN
from tests.inference.boltzmann.likelihood.machines import all_states, randomised


def network():
    return randomised(DBN(5, (4, 5)), 2, 0.8)


@torch.no_grad()
def exact_means():
    own = network().double()
    states = all_states(own, [0, 1])
    weights = own.log_joint(states).softmax(0)
    return (weights @ states[0]).numpy(), (weights @ states[1]).numpy()


def off(tree):
    """Largest deviation of the visible and the hidden means, in errors between chains."""
    found = []
    for name, exact in zip(("x", "h1"), exact_means(), strict=True):
        chains = tree["posterior"][name].values.mean(1)
        error = chains.std(0, ddof=1) / np.sqrt(len(chains))
        found.append(np.abs((chains.mean(0) - exact) / error).max())
    return max(found)


def test_independent_draws_are_those_of_the_network(monkeypatch):
    asked = {"draws": 250, "chains": 40, "seed": 3, "progress": False}
    tree = pg.infer(network(), pg.Exact(), **asked)
    assert off(tree) < 4.5
    assert tree["posterior"].sizes["x_dim_0"] == 5
    assert tree.attrs["model"] == "DBN"
    assert {"x", "h1", "h2"} <= set(tree["posterior"].data_vars)
    again = pg.infer(network(), pg.Exact(), **asked)
    assert (again["posterior"]["x"] == tree["posterior"]["x"]).all()

    # One sweep of the low layer as if it were undirected would be noticed.
    def undirected(self, state, stream):
        low = self.directed[0]
        visible = low.draw(0, low.activation(0, [None, 1 - state]), stream)
        return [visible, state]

    monkeypatch.setattr(module.BeliefNetwork, "descend", undirected)
    assert off(pg.infer(network(), pg.Exact(), **asked)) > 10


def test_gibbs_at_the_top():
    tree = pg.infer(network(), draws=100, chains=40, warmup=50, seed=1, progress=False)
    assert tree.attrs["method"] == "Gibbs"
    assert off(tree) < 4.5
    assert "marginals" in tree.children
    pg.diagnose(tree)


def test_draws_are_stored(tmp_path):
    store = tmp_path / "run.zarr"
    tree = pg.infer(network(), pg.Exact(), draws=5, seed=1, store=store, progress=False)
    assert (pg.open_tree(store)["posterior"]["x"] == tree["posterior"]["x"]).all()


def test_data_and_other_methods_are_refused():
    with pytest.raises(DataError, match="recognise"):
        pg.infer(network(), data={"x": np.zeros(5)}, progress=False)
    with pytest.raises(OptionError, match=r"Gibbs\(\)"):
        pg.infer(network(), pg.NUTS(), progress=False)
