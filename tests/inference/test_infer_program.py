"""One run on a program: what is put into the tree, what is left out, and reuse of adaptation."""

from __future__ import annotations

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

import probgen as pg
from probgen.errors import OptionError
from probgen.inference import program_run

Y = torch.linspace(-1, 2, 20)
QUICK = {"draws": 50, "warmup": 50, "chains": 2, "seed": 1, "progress": False}


def normal(y):
    mu = pyro.sample("mu", dist.Normal(0, 5))
    with pyro.plate("n", len(y)):
        pyro.sample("y", dist.Normal(mu, 1), obs=y)


def test_a_large_log_likelihood_is_left_out_with_a_note(monkeypatch):
    monkeypatch.setattr(program_run, "_LARGEST_LOG_LIKELIHOOD", 8 * 2 * 50 * 20 - 1)
    tree = pg.infer(normal, data={"y": Y}, **QUICK)
    assert "log_likelihood" not in tree.children
    assert "log_likelihood=True" in tree.attrs["notes"]
    asked = pg.infer(normal, data={"y": Y}, log_likelihood=True, **QUICK)
    assert asked["log_likelihood"]["y"].shape == (2, 50, 20)


def test_a_small_one_is_there():
    tree = pg.infer(normal, data={"y": Y}, **QUICK)
    assert tree["log_likelihood"]["y"].shape == (2, 50, 20)
    assert "log_likelihood" not in pg.infer(normal, data={"y": Y}, log_likelihood=False, **QUICK)


def test_adaptation_is_kept_and_reused():
    first = pg.infer(normal, data={"y": Y}, **QUICK)
    assert first["adaptation"]["position"].dims[0] == "chain"
    again = pg.infer(normal, data={"y": Y}, adapted=first, **{**QUICK, "warmup": 0, "chains": 3})
    steps = first["adaptation"]["step_size"].values
    assert np.array_equal(again.sample_stats["step_size"].values[:, 0], steps[[0, 1, 0]])


def test_adaptation_that_does_not_fit():
    first = pg.infer(normal, data={"y": Y}, **QUICK)

    def other(y):
        mu = pyro.sample("mu", dist.Normal(0, 5).expand([2]).to_event(1))
        pyro.sample("y", dist.Normal(mu.sum(), 1), obs=y.sum())

    with pytest.raises(OptionError, match="had 1 coordinates, and this one has 2"):
        pg.infer(other, data={"y": Y}, adapted=first, **QUICK)
    with pytest.raises(OptionError, match="that run used NUTS, and this one uses HMC"):
        pg.infer(normal, pg.HMC(), data={"y": Y}, adapted=first, **QUICK)
    with pytest.raises(OptionError, match="holds no adaptation"):
        pg.infer(normal, data={"y": Y}, adapted=first.isel(chain=0)["posterior"], **QUICK)


def test_choices_are_checked():
    with pytest.raises(OptionError, match="backend='numba'"):
        pg.infer(normal, data={"y": Y}, backend="numba", **QUICK)
    with pytest.raises(OptionError, match="precision='half'"):
        pg.infer(normal, data={"y": Y}, precision="half", **QUICK)
