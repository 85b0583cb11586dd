"""Programs with known posteriors, learned through `fit`: the right family finds them exactly."""

from __future__ import annotations

import math

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro.nn import PyroModule
from torch import nn

import probgen as pg
from probgen.inference.variational.svi import SVI
from probgen.learn.training.schedules import Exponential
from probgen.learn.variational.layout import Layout
from tests.learn.variational.programs import NormalMean

X = 3.0 + 2.0 * torch.randn(240, generator=torch.Generator().manual_seed(0)).double()
SLOW = SVI(particles=10, learning_rate=Exponential(0.1, 0.001))
OPTIONS = {"batch_size": 60, "epochs": 250, "seed": 0, "progress": False}


class Guided(NormalMean):
    """With the conjugate family as its guide, beside the named one."""

    def __init__(self):
        super().__init__()
        self.at = nn.Parameter(torch.tensor(0.0))
        self.log_scale = nn.Parameter(torch.tensor(0.0))

    def guide(self, x=None):
        pyro.sample("mean", dist.Normal(self.at, self.log_scale.exp()))


def posterior():
    """Mean and scale of the mean given all rows."""
    precision = 1 / 100 + len(X) / 4
    return (X.sum() / 4 / precision).item(), precision**-0.5


def learned():
    fitted = pg.fit(Guided().double(), SLOW, data=X, **OPTIONS)
    return fitted.model.at.item(), fitted.model.log_scale.exp().item()


def error(found):
    """Distance to the posterior, in its own scale."""
    mean, scale = posterior()
    return abs(found[0] - mean) / scale, abs(math.log(found[1] / scale))


def test_minibatches_find_the_exact_posterior():
    away, ratio = error(learned())
    assert away < 0.1
    assert ratio < 0.05


def test_rows_that_count_once_each_are_caught(monkeypatch):
    """The broken variant: a minibatch is taken for all of the data."""
    honest = Layout.weight
    monkeypatch.setattr(
        Layout,
        "weight",
        lambda self, message, rows: (
            honest(self, message, rows) if self.is_row(message) else 1 / rows
        ),
    )
    _, ratio = error(learned())
    assert ratio > 0.4  # the scale of a quarter of the data is twice as long


def test_a_named_guide_finds_it_too():
    method = SVI("mean_field", learning_rate=Exponential(0.1, 0.001))
    fitted = pg.fit(NormalMean().double(), method, data=X, **OPTIONS)
    low, middle, high = fitted.parts["guide"].quantiles([0.15865, 0.5, 0.84135])["mean"]
    away, ratio = error((float(middle), float(high - low) / 2))
    assert away < 0.1
    assert ratio < 0.05


class FactorAnalysis(PyroModule):
    """x = W z + Normal(0, scale), with the exact family as the guide."""

    def __init__(self, size, latents):
        super().__init__()
        torch.manual_seed(0)
        self.loading = nn.Parameter(0.5 * torch.randn(size, latents))
        self.log_scale = nn.Parameter(torch.zeros(()))
        self.encoder = nn.Parameter(torch.zeros(latents, size))
        self.root = nn.Parameter(torch.eye(latents))

    def forward(self, x=None):
        with pyro.plate("rows", 1 if x is None else len(x)):
            origin = self.loading.new_zeros(self.loading.shape[1])
            z = pyro.sample("z", dist.Normal(origin, 1.0).to_event(1))
            law = dist.Normal(z @ self.loading.T, self.log_scale.exp()).to_event(1)
            pyro.sample("x", law, obs=x)

    def guide(self, x):
        with pyro.plate("rows", len(x)):
            root = self.root.tril()
            pyro.sample("z", dist.MultivariateNormal(x @ self.encoder.T, scale_tril=root))


@pytest.mark.slow
def test_a_linear_gaussian_vae_reaches_the_exact_likelihood():
    """That of probabilistic PCA (Tipping & Bishop 1999), within 0.05 nats per row."""
    size, latents = 8, 3
    random = torch.Generator().manual_seed(1)
    z = torch.randn(600, latents, generator=random, dtype=torch.float64)
    loading = torch.randn(latents, size, generator=random, dtype=torch.float64)
    noise = torch.randn(600, size, generator=random, dtype=torch.float64)
    x = z @ loading + 0.5 * noise
    fitted = pg.fit(
        FactorAnalysis(size, latents).double(),
        SVI(learning_rate=Exponential(0.03, 0.0005)),
        data=x, epochs=200, batch_size=100, seed=0, validation=x, progress=False,
    )  # fmt: skip
    values = np.linalg.eigvalsh(np.cov(x.numpy().T, bias=True) + np.outer(x.mean(0), x.mean(0)))
    kept, rest = values[-latents:], values[:-latents].mean()
    logs = np.log(kept).sum() + (size - latents) * np.log(rest)
    exact = -0.5 * (size * np.log(2 * np.pi) + logs + size)
    bound = -fitted.tree["history"]["validation_loss"].values[-1]
    assert bound < exact + 0.01
    assert bound == pytest.approx(exact, abs=0.05)
