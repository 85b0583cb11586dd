"""A mixture of normals around the particles of a population.

Its covariance is twice that of the population, which minimises the Kullback-Leibler divergence
of the new population from the target (Beaumont, Cornuet, Marin & Robert 2009).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import logsumexp

__all__ = ["Kernel"]

_BLOCK = 1 << 24  # numbers of a block of distances
_RIDGE = 1e-10


class Kernel:
    """Normals of one covariance around weighted points (row, dim)."""

    def __init__(self, points: np.ndarray, weight: np.ndarray) -> None:
        dim = points.shape[1]
        middle = weight @ points
        apart = points - middle
        covariance = 2 * (apart * weight[:, None]).T @ apart
        ridge = _RIDGE * max(float(np.trace(covariance)) / dim, 1e-300)
        self._factor = np.linalg.cholesky(covariance + ridge * np.eye(dim))
        self._weight, self._points = weight, points
        self._white = self._whitened(points)
        determinant = np.log(np.diag(self._factor)).sum()
        self._constant = -0.5 * dim * math.log(2 * math.pi) - determinant

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draws (count, dim)."""
        rows = rng.choice(len(self._points), size=count, p=self._weight)
        noise = rng.standard_normal((count, self._points.shape[1]))
        return self._points[rows] + noise @ self._factor.T

    def log_density(self, positions: np.ndarray) -> np.ndarray:
        """Of the mixture (nats), (row,)."""
        step = max(1, _BLOCK // max(self._white.size, 1))
        found = []
        for start in range(0, len(positions), step):
            white = self._whitened(positions[start : start + step])
            apart = np.square(white[:, None] - self._white).sum(-1)
            found.append(logsumexp(-0.5 * apart, b=self._weight, axis=1))
        return self._constant + np.concatenate(found)

    def _whitened(self, positions: np.ndarray) -> np.ndarray:
        return np.linalg.solve(self._factor, positions.T).T
