"""What every guide is: a distribution whose draws carry gradients to its parameters."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["Guide", "Transport", "log_normal", "noise"]

_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


class Guide(nn.Module):
    """A distribution over `dim` unconstrained coordinates, in double precision."""

    dim: int
    quick_density = True
    """Whether `log_prob` costs no more than a draw."""

    def rsample(self, count: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Independent draws (count, dim), differentiable, and their log densities (count,)."""
        raise NotImplementedError

    def log_prob(self, z: Tensor) -> Tensor:
        """Log densities (count,) in nats at the rows of `z`."""
        raise NotImplementedError

    def score(self, z: Tensor) -> Tensor:
        """Gradients (count, dim) of `log_prob` at the rows of `z`; no part of any graph."""
        held = [p for p in self.parameters() if p.requires_grad]
        for parameter in held:
            parameter.requires_grad_(False)
        try:
            with torch.enable_grad():
                place = z.detach().requires_grad_()
                return torch.autograd.grad(self.log_prob(place).sum(), place)[0]
        finally:
            for parameter in held:
                parameter.requires_grad_(True)

    def particles(
        self, count: int, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Draws for a step of training, their log densities, and weights that sum to one.

        Weighted means are unbiased for expectations under the guide, and so are their gradients.
        """
        z, log_q = self.rsample(count, generator)
        return z, log_q, z.new_full((count,), 1 / count)


class Transport(Guide):
    """A guide that maps standard normal noise u to z, one to one."""

    def forward_map(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """z (count, dim) of the noise `u`, and log |det dz/du| (count,)."""
        raise NotImplementedError

    def inverse_map(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """u (count, dim) of `z`, and log |det du/dz| (count,)."""
        raise NotImplementedError

    def rsample(self, count: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Independent draws (count, dim), differentiable, and their log densities (count,)."""
        u = noise(count, self.dim, generator)
        z, log_det = self.forward_map(u)
        return z, log_normal(u) - log_det

    def log_prob(self, z: Tensor) -> Tensor:
        """Log densities (count,) in nats at the rows of `z`."""
        u, log_det = self.inverse_map(z)
        return log_normal(u) + log_det


def noise(count: int, dim: int, generator: torch.Generator | None) -> Tensor:
    """Standard normal numbers (count, dim)."""
    return torch.randn(count, dim, generator=generator, dtype=torch.float64)


def log_normal(u: Tensor) -> Tensor:
    """Log density (nats) of the standard normal distribution at the rows of `u`."""
    return -0.5 * (u * u).sum(-1) - u.shape[-1] * _HALF_LOG_TWO_PI
