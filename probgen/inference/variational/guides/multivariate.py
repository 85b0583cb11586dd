"""A normal with all covariances, by its Cholesky factor (Kucukelbir et al. 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from probgen.inference.variational.guides.base import Transport

__all__ = ["Multivariate"]


class Multivariate(Transport):
    """z = location + L u with a lower triangular L, whose diagonal is exp(log_diagonal)."""

    def __init__(self, dim: int) -> None:
        """Standard normal at first."""
        super().__init__()
        self.dim = dim
        self.location = nn.Parameter(torch.zeros(dim, dtype=torch.float64))
        self.log_diagonal = nn.Parameter(torch.zeros(dim, dtype=torch.float64))
        self.below = nn.Parameter(torch.zeros(dim, dim, dtype=torch.float64))
        """Entries of L below the diagonal; the others are without meaning."""

    @property
    def factor(self) -> Tensor:
        """L (dim, dim)."""
        return self.below.tril(-1) + self.log_diagonal.exp().diag_embed()

    def forward_map(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """z (count, dim) of the noise `u`, and log |det dz/du| (count,)."""
        z = torch.addmm(self.location, u, self.factor.T)
        return z, self.log_diagonal.sum().expand(len(u))

    def inverse_map(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """u (count, dim) of `z`, and log |det du/dz| (count,)."""
        centred = (z - self.location).T
        u = torch.linalg.solve_triangular(self.factor, centred, upper=False).T
        return u, -self.log_diagonal.sum().expand(len(z))

    @torch.no_grad()
    def score(self, z: Tensor) -> Tensor:
        """Gradients (count, dim) of `log_prob` at the rows of `z`; no part of any graph."""
        return torch.cholesky_solve((self.location - z).T, self.factor).T
