"""Independent normals: the mean-field guide of ADVI (Kucukelbir et al. 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from probgen.inference.variational.guides.base import Transport

__all__ = ["MeanField"]


class MeanField(Transport):
    """z = location + exp(log_scale) u, coordinate by coordinate.

    Where coordinates are correlated it is too narrow: for a normal posterior its variances are
    those of each coordinate given all others.
    """

    def __init__(self, dim: int) -> None:
        """Standard normal at first."""
        super().__init__()
        self.dim = dim
        self.location = nn.Parameter(torch.zeros(dim, dtype=torch.float64))
        self.log_scale = nn.Parameter(torch.zeros(dim, dtype=torch.float64))

    def forward_map(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """z (count, dim) of the noise `u`, and log |det dz/du| (count,)."""
        z = torch.addcmul(self.location, self.log_scale.exp(), u)
        return z, self.log_scale.sum().expand(len(u))

    def inverse_map(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """u (count, dim) of `z`, and log |det du/dz| (count,)."""
        u = (z - self.location) * (-self.log_scale).exp()
        return u, -self.log_scale.sum().expand(len(z))

    @torch.no_grad()
    def score(self, z: Tensor) -> Tensor:
        """Gradients (count, dim) of `log_prob` at the rows of `z`; no part of any graph."""
        return (self.location - z) * (-2 * self.log_scale).exp()
