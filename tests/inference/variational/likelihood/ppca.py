"""Probabilistic PCA as a program with a guide: its likelihood is known exactly."""

from __future__ import annotations

import math

import pyro
import pyro.distributions as dist
import torch
from pyro.nn import PyroModule
from torch import Tensor, nn


class PPCA(PyroModule):
    """x = W z + b + noise; the guide is linear in x, exact or wrong by `error` and `width`."""

    def __init__(self, features: int = 5, latents: int = 2, seed: int = 0) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(features, latents, generator=random))
        self.bias = nn.Parameter(torch.randn(features, generator=random))
        self.log_noise = nn.Parameter(torch.tensor(math.log(0.5)))
        self.error, self.width = 0.0, 1.0

    def forward(self, x: Tensor | None = None) -> None:
        """The program."""
        zeros = torch.zeros(self.weight.shape[1])
        with pyro.plate("case", 1 if x is None else len(x)):
            z = pyro.sample("z", dist.Normal(zeros, 1.0).to_event(1))
            mean = z @ self.weight.T + self.bias
            pyro.sample("x", dist.Normal(mean, self.log_noise.exp()).to_event(1), obs=x)

    def guide(self, x: Tensor) -> None:
        """The posterior of z, if `error` is 0 and `width` 1."""
        variance = self.log_noise.exp() ** 2
        precision = torch.eye(self.weight.shape[1]) + self.weight.T @ self.weight / variance
        covariance = torch.linalg.inv(precision)
        mean = (x - self.bias) @ self.weight @ covariance / variance + self.error
        scale = torch.linalg.cholesky(covariance) * self.width
        with pyro.plate("case", len(x)):
            pyro.sample("z", dist.MultivariateNormal(mean, scale_tril=scale))

    def exact(self, x: Tensor) -> Tensor:
        """log p(x), (row,)."""
        with torch.no_grad():
            noise = self.log_noise.exp() ** 2 * torch.eye(len(self.bias))
            covariance = self.weight @ self.weight.T + noise
            return dist.MultivariateNormal(self.bias, covariance).log_prob(x)

    def draw(self, rows: int, seed: int = 1) -> Tensor:
        """Data of the model itself."""
        random = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            z = torch.randn(rows, self.weight.shape[1], generator=random)
            noise = torch.randn(rows, len(self.bias), generator=random)
            return z @ self.weight.T + self.bias + self.log_noise.exp() * noise
