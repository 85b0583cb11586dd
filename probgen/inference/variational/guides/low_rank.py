"""A normal whose covariance is diagonal plus low rank (Ong, Nott & Smith 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from probgen.inference.variational.guides.base import Guide, log_normal, noise

__all__ = ["LowRank"]


class LowRank(Guide):
    """z = location + scale (u + B v) with noise u (dim,) and v (ranks,), scale = exp(log_scale).

    Its covariance is S (I + B B^T) S with diagonal S; a draw costs `dim` times `ranks`.
    """

    def __init__(self, loadings: Tensor) -> None:
        """At location 0 and scale 1, with B = `loadings` (dim, ranks); 0 would be a saddle."""
        super().__init__()
        self.dim, self.ranks = loadings.shape
        self.location = nn.Parameter(torch.zeros(self.dim, dtype=torch.float64))
        self.log_scale = nn.Parameter(torch.zeros(self.dim, dtype=torch.float64))
        self.loadings = nn.Parameter(loadings.detach().clone().double())

    def rsample(self, count: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Independent draws (count, dim), differentiable, and their log densities (count,)."""
        both = noise(count, self.dim + self.ranks, generator)
        whitened = both[:, : self.dim] + both[:, self.dim :] @ self.loadings.T
        return self.location + self.log_scale.exp() * whitened, self._log_density(whitened)

    def log_prob(self, z: Tensor) -> Tensor:
        """Log densities (count,) in nats at the rows of `z`."""
        return self._log_density((z - self.location) * (-self.log_scale).exp())

    def _log_density(self, whitened: Tensor) -> Tensor:
        """By the identities of Woodbury and Sylvester."""
        inside = torch.eye(self.ranks, dtype=torch.float64) + self.loadings.T @ self.loadings
        factor = torch.linalg.cholesky(inside)
        along = torch.linalg.solve_triangular(factor, self.loadings.T @ whitened.T, upper=False)
        half_log_det = factor.diagonal().log().sum() + self.log_scale.sum()
        return log_normal(whitened) + 0.5 * (along * along).sum(0) - half_log_det
