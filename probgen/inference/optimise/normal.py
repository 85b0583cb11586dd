"""Normal approximations, with a dense covariance or a diagonal plus low rank."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from probgen.inference.optimise.curvature import Curvature
from probgen.inference.optimise.objective import Place

__all__ = ["DenseNormal", "LowRankNormal", "Normal", "log_mixture"]

_LOG_TWO_PI = math.log(2 * math.pi)


class Normal(Protocol):
    """A multivariate normal distribution."""

    @property
    def mean(self) -> np.ndarray:
        """Its mean (dim,)."""

    def coloured(self, noise: np.ndarray) -> np.ndarray:
        """Draws (n, dim) from standard normal `noise` of the same shape."""

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """Log density (nats) at the rows of `x`."""


@dataclass(frozen=True)
class DenseNormal:
    """A normal distribution by `factor`: its covariance is factor factor^T, any square root."""

    mean: np.ndarray
    factor: np.ndarray

    def coloured(self, noise: np.ndarray) -> np.ndarray:
        """Draws (n, dim) from standard normal `noise` of the same shape."""
        return self.mean + noise @ self.factor.T

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """Log density (nats) at the rows of `x`."""
        whitened = np.linalg.solve(self.factor, (x - self.mean).T)
        return -0.5 * ((whitened**2).sum(0) + self.log_determinant + len(whitened) * _LOG_TWO_PI)

    @property
    def log_determinant(self) -> float:
        """Of the covariance."""
        return 2 * float(np.linalg.slogdet(self.factor)[1])


@dataclass(frozen=True)
class LowRankNormal:
    """A normal distribution of covariance D (I + Q (L L^T - I) Q^T) D with diagonal D.

    `basis` Q (dim, rank) has orthonormal columns, `triangle` L (rank, rank) is lower triangular:
    Zhang et al. (2022), algorithm 4, which needs rank dim operations for a draw.
    """

    mean: np.ndarray
    scale: np.ndarray
    basis: np.ndarray
    triangle: np.ndarray

    @classmethod
    def at(cls, place: Place, curvature: Curvature) -> LowRankNormal | None:
        """The normal whose log density has this gradient and curvature at `place`.

        None if the estimated covariance is not positive definite, as rounding may have it.
        """
        scale = np.sqrt(curvature.diagonal)
        outer, inner = curvature.low_rank()
        basis, coefficients = np.linalg.qr(outer / scale[:, None])
        inside = np.eye(basis.shape[1]) + coefficients @ inner @ coefficients.T
        try:
            triangle = np.linalg.cholesky(0.5 * (inside + inside.T))
        except np.linalg.LinAlgError:
            return None
        mean = place.position + curvature.times(place.gradient)
        return cls(mean, scale, basis, triangle) if np.isfinite(mean).all() else None

    def coloured(self, noise: np.ndarray) -> np.ndarray:
        """Draws (n, dim) from standard normal `noise` of the same shape."""
        inside = noise @ self.basis
        longer = inside @ self.triangle.T - inside
        return self.mean + self.scale * (noise + longer @ self.basis.T)

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """Log density (nats) at the rows of `x`."""
        scaled = (x - self.mean) / self.scale
        inside = self.basis.T @ scaled.T
        shorter = np.linalg.solve(self.triangle, inside)
        square = (scaled**2).sum(1) - (inside**2).sum(0) + (shorter**2).sum(0)
        return -0.5 * (square + self.log_determinant + x.shape[1] * _LOG_TWO_PI)

    @property
    def log_determinant(self) -> float:
        """Of the covariance."""
        return 2 * float(np.log(self.scale).sum() + np.log(np.diag(self.triangle)).sum())


def log_mixture(normals: Sequence[Normal], x: np.ndarray) -> np.ndarray:
    """Log density at the rows of `x` of the mixture of `normals` in equal parts."""
    terms = np.stack([normal.log_density(x) for normal in normals])
    return np.logaddexp.reduce(terms, axis=0) - math.log(len(normals))
