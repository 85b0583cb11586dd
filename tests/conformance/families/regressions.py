"""Regressions on a design matrix `x`, of the priors that posteriordb's models have."""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

from tests.conformance.families.priors import flat, flat_positive, normals


def flat_regression(x, y):
    """Coefficients and scale without priors."""
    beta = flat("beta", x.shape[1])
    _observe(y, x @ beta, flat_positive("sigma"))


def cauchy_regression(x, y):
    """Coefficients without priors, a half-Cauchy scale."""
    beta = flat("beta", x.shape[1])
    _observe(y, x @ beta, pyro.sample("sigma", dist.HalfCauchy(2.5)))


def normal_regression(x, y):
    """Wide normal priors of coefficients, half-normal of the scale."""
    beta = normals("beta", x.shape[1], 0.0, 10.0)
    _observe(y, x @ beta, pyro.sample("sigma", dist.HalfNormal(10.0)))


def _observe(y: torch.Tensor, mean: torch.Tensor, sigma: torch.Tensor) -> None:
    with pyro.plate("observation", len(y)):
        pyro.sample("y", dist.Normal(mean, sigma), obs=y)


def logistic_regression(x, y):
    """Coefficients without priors; the constant, the first column of `x`, is called alpha."""
    alpha, beta = flat("alpha"), flat("beta", x.shape[1] - 1)
    with pyro.plate("observation", len(y)):
        pyro.sample("y", dist.Bernoulli(logits=alpha + x[:, 1:] @ beta), obs=y)
