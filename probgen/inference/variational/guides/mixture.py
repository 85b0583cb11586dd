"""A mixture of normals: several modes, skewness, tails.

Morningstar, Vikram, Ham, Gallagher & Dillon (2021), "Automatic differentiation variational
inference with mixtures": every step draws from all components, weighted by their shares, so that
the shares have a gradient and none of it comes from a score.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from probgen.inference.variational.guides.base import Guide, log_normal, noise

__all__ = ["Mixture"]


class Mixture(Guide):
    """Components N(location_k, diag exp(2 log_scale_k)) in shares softmax(logits)."""

    def __init__(self, locations: Tensor) -> None:
        """Equal shares of standard normals around the rows of `locations` (components, dim)."""
        super().__init__()
        self.components, self.dim = locations.shape
        self.location = nn.Parameter(locations.detach().clone().double())
        self.log_scale = nn.Parameter(torch.zeros_like(self.location))
        self.logits = nn.Parameter(torch.zeros(self.components, dtype=torch.float64))

    def rsample(self, count: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Independent draws (count, dim) and their log densities (count,).

        Differentiable within the components; the shares learn from `particles`.
        """
        shares = self.logits.detach().softmax(0)
        chosen = torch.multinomial(shares, count, replacement=True, generator=generator)
        u = noise(count, self.dim, generator)
        z = self.location[chosen] + self.log_scale[chosen].exp() * u
        return z, self.log_prob(z)

    def log_prob(self, z: Tensor) -> Tensor:
        """Log densities (count,) in nats at the rows of `z`."""
        u = (z[:, None, :] - self.location) * (-self.log_scale).exp()
        terms = log_normal(u) - self.log_scale.sum(-1) + self.logits.log_softmax(0)
        return terms.logsumexp(-1)

    def particles(
        self, count: int, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As many draws of every component, weighted by its share."""
        each = -(-count // self.components)
        u = noise(each * self.components, self.dim, generator).view(each, *self.location.shape)
        z = (self.location + self.log_scale.exp() * u).flatten(0, 1)
        weights = (self.logits.softmax(0) / each).expand(each, -1).flatten()
        return z, self.log_prob(z), weights
