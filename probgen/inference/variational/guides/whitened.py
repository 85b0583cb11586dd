"""A guide in coordinates in which the posterior is near the standard normal."""

from __future__ import annotations

import torch
from torch import Tensor

from probgen.inference.variational.guides.base import Guide, Transport

__all__ = ["Whitened"]


class Whitened(Transport):
    """z = centre + F w with w of another guide; F is a diagonal (dim,) or lower triangular.

    Steps of training mean the same in all coordinates then, however the posterior is scaled.
    """

    centre: Tensor
    factor: Tensor

    def __init__(self, inner: Guide, centre: Tensor, factor: Tensor) -> None:
        """`centre` and `factor` stay as they are."""
        super().__init__()
        self.dim, self.inner = inner.dim, inner
        self.quick_density = inner.quick_density
        self.register_buffer("centre", centre.detach().clone().double())
        self.register_buffer("factor", factor.detach().clone().double())

    def rsample(self, count: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Independent draws (count, dim), differentiable, and their log densities (count,)."""
        w, log_q = self.inner.rsample(count, generator)
        return self.out(w), log_q - self.log_det

    def particles(
        self, count: int, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Draws for a step of training, their log densities, and weights that sum to one."""
        w, log_q, weights = self.inner.particles(count, generator)
        return self.out(w), log_q - self.log_det, weights

    def log_prob(self, z: Tensor) -> Tensor:
        """Log densities (count,) in nats at the rows of `z`."""
        return self.inner.log_prob(self.back(z)) - self.log_det

    @torch.no_grad()
    def score(self, z: Tensor) -> Tensor:
        """Gradients (count, dim) of `log_prob` at the rows of `z`; no part of any graph."""
        inner = self.inner.score(self.back(z))
        if self.factor.dim() == 1:
            return inner / self.factor
        return torch.linalg.solve_triangular(self.factor.T, inner.T, upper=True).T

    def forward_map(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """z (count, dim) of the noise `u`, and log |det dz/du| (count,)."""
        w, log_det = self._transport.forward_map(u)
        return self.out(w), log_det + self.log_det

    def inverse_map(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """u (count, dim) of `z`, and log |det du/dz| (count,)."""
        u, log_det = self._transport.inverse_map(self.back(z))
        return u, log_det - self.log_det

    def out(self, w: Tensor) -> Tensor:
        """z of whitened coordinates."""
        if self.factor.dim() == 1:
            return torch.addcmul(self.centre, self.factor, w)
        return torch.addmm(self.centre, w, self.factor.T)

    def back(self, z: Tensor) -> Tensor:
        """Whitened coordinates of z."""
        if self.factor.dim() == 1:
            return (z - self.centre) / self.factor
        return torch.linalg.solve_triangular(self.factor, (z - self.centre).T, upper=False).T

    @property
    def log_det(self) -> Tensor:
        """log |det F|."""
        diagonal = self.factor if self.factor.dim() == 1 else self.factor.diagonal()
        return diagonal.abs().log().sum()

    @property
    def transports(self) -> bool:
        """Whether the guide maps noise one to one: normals and flows do, mixtures do not."""
        return isinstance(self.inner, Transport)

    @property
    def _transport(self) -> Transport:
        if not isinstance(self.inner, Transport):
            raise TypeError(f"{type(self.inner).__name__} maps no noise of the same dimension.")
        return self.inner
