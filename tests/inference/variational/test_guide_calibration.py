"""Guides under simulation-based calibration: the right ones pass, a narrow one is caught."""

from __future__ import annotations

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

import probgen as pg

DATA = {"y": np.zeros(3)}


def model(y):
    mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
    with pyro.plate("case", 3):
        pyro.sample("y", dist.Normal(mean, 1.0), obs=y)


def exact(y):
    """The posterior itself."""
    pyro.sample("mean", dist.Normal(y.sum() / 4, 0.5))


def narrow(y):
    pyro.sample("mean", dist.Normal(y.sum() / 4, 0.2))


def calibrate(method, replications):
    return pg.calibrate(
        model, method, data=DATA, replications=replications, seed=1, ranks=19, chains=1, draws=100,
        progress=False, jobs=1,
    )  # fmt: skip


def test_a_program_that_is_the_posterior_passes():
    assert calibrate(pg.SVI(guide=exact, steps=0), 60).passed


def test_a_narrow_guide_is_caught():
    assert not calibrate(pg.SVI(guide=narrow, steps=0), 60).passed


@pytest.mark.slow
def test_a_named_guide_passes():
    assert calibrate(pg.SVI("mean_field", steps=2000), 100).passed


@pytest.mark.slow
def test_a_trained_program_passes():
    def trained(y):
        at = pyro.param("at", torch.tensor(0.0))
        scale = pyro.param("scale", torch.tensor(1.0), constraint=dist.constraints.positive)
        pyro.sample("mean", dist.Normal(at, scale))

    method = pg.SVI(guide=trained, steps=300, learning_rate=0.05)
    assert calibrate(method, 60).passed
