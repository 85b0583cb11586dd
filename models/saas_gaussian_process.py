"""Gaussian process with sparse lengthscales (SAAS) of many inputs.

Source: Eriksson and Jankowiak (2021), "High-dimensional Bayesian optimization with sparse
axis-aligned subspaces", Uncertainty in Artificial Intelligence 161:493-503; priors as in
BoTorch. Most inverse squared lengthscales shrink to zero: those inputs do not matter.
Data: 40 values of a function of two among ten inputs, made here (seed 2021).
"""

from __future__ import annotations

import math

import pyro
import pyro.distributions as dist
import torch

from probgen import NUTS

method = NUTS(target_accept=0.95)
POINTS, INPUTS = 40, 10


def saas_gaussian_process(x: torch.Tensor, y: torch.Tensor | None = None) -> None:
    """`x`: inputs in the unit cube, shape (point, input); `y`: values, shape (point,)."""
    shrinkage = pyro.sample("shrinkage", dist.HalfCauchy(0.1))
    with pyro.plate("input", x.shape[1]):
        weight = pyro.sample("weight", dist.HalfCauchy(1.0))
        relevance = pyro.deterministic("relevance", shrinkage * weight, event_dim=0)
    variance = pyro.sample("variance", dist.Gamma(2.0, 0.15))
    mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
    noise = pyro.sample("noise", dist.Gamma(0.9, 10.0))
    scaled = x * relevance.sqrt()
    squares = (scaled.unsqueeze(-2) - scaled.unsqueeze(-3)).square().sum(-1)
    root = math.sqrt(5.0) * squares.clamp_min(1e-30).sqrt()
    matern = variance * (1.0 + root + root.square() / 3.0) * torch.exp(-root)
    covariance = matern + (1e-4 + noise) * torch.eye(len(x), dtype=x.dtype)
    pyro.sample("y", dist.MultivariateNormal(mean.expand(len(x)), covariance), obs=y)


def data() -> dict[str, torch.Tensor]:
    """The 40 points, values standardised."""
    generator = torch.Generator().manual_seed(2021)
    x = torch.rand(POINTS, INPUTS, generator=generator, dtype=torch.float64)
    noise = torch.randn(POINTS, generator=generator, dtype=torch.float64)
    y = torch.sin(6.0 * x[:, 0]) + 6.0 * (x[:, 3] - 0.5).square() + 0.2 * noise
    return {"x": x, "y": (y - y.mean()) / y.std()}


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "shrinkage": (0.05927, 0.00031, 0.05919, 0.00092),
    "variance": (3.68, 0.017, 3.16, 0.041),
    "mean": (0.5962, 0.0034, 0.7055, 0.0041),
    "noise": (0.033, 0.00015, 0.02906, 0.0002),
    "weight[1]": (263.5, 2.1, 376, 27),
    "weight[2]": (1.148, 0.012, 2.15, 0.19),
    "weight[3]": (0.8127, 0.0078, 1.45, 0.1),
    "relevance[1]": (8.617, 0.032, 6.016, 0.072),
    "relevance[2]": (0.06171, 0.0007, 0.1314, 0.0044),
    "relevance[3]": (0.04092, 0.00042, 0.0784, 0.0026),
}
