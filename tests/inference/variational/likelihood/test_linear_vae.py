"""A linear Gaussian auto-encoder, trained, has the likelihood of probabilistic PCA.

Tipping & Bishop (1999): the maximum of the likelihood is known from the eigenvalues of the
covariance, and the posterior is normal, so that the ELBO can reach it (Lucas et al. 2019).
"""

from __future__ import annotations

import math

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from torch import Tensor, nn

import probgen as pg
from tests.inference.variational.likelihood.ppca import PPCA


class LinearVAE(PPCA):
    """The decoder of PPCA with a linear encoder of its own."""

    def __init__(self) -> None:
        super().__init__(features=5, latents=2, seed=7)
        self.encoder = nn.Linear(5, 2)
        self.log_scale = nn.Parameter(torch.zeros(2))

    def guide(self, x: Tensor) -> None:
        with pyro.plate("case", len(x)):
            law = dist.Normal(self.encoder(x), self.log_scale.exp())
            pyro.sample("z", law.to_event(1))


def highest_mean(x: np.ndarray, latents: int) -> float:
    """The largest mean log-likelihood of PPCA."""
    features = x.shape[1]
    values = np.linalg.eigvalsh(np.cov(x.T, bias=True))[::-1]
    noise = values[latents:].mean()
    logs = np.log(values[:latents]).sum() + (features - latents) * math.log(noise)
    return -0.5 * (features * math.log(2 * math.pi) + logs + features)


@pytest.mark.slow
def test_a_trained_linear_auto_encoder_reaches_ppca():
    x = PPCA(features=5, seed=3).draw(500, seed=2)
    rate = pg.schedules.Cosine(2e-2, 2e-4)
    method = pg.SVI(learning_rate=rate, gradient="auto")
    fit = pg.fit(LinearVAE(), method, data={"x": x}, epochs=200, batch_size=100, seed=1,
                 progress=False)  # fmt: skip
    best = highest_mean(x.numpy(), 2)
    found = pg.log_likelihood(fit.model, {"x": x}, pg.ImportanceWeighted(200), seed=1)
    exact = float(fit.model.exact(x).mean())
    assert found.mean == pytest.approx(exact, abs=0.01)
    assert found.mean == pytest.approx(best, abs=0.05)
