"""Euclidean metrics in numpy: diagonal or dense, the twins of `native/metric.hpp`.

The inverse mass matrix is L L^T; `velocity` is L p, `force` is L^T g.
"""

from __future__ import annotations

import numpy as np

from probgen.inference.adapt.settings import DENSE

__all__ = ["Metric"]


class Metric:
    """A linear change of coordinates under which the posterior should look standard normal."""

    def __init__(self, kind: int, dim: int):
        self.dense = kind == DENSE
        self.scale = np.ones(dim)
        self.factor = np.eye(dim) if self.dense else None

    def velocity(self, momentum: np.ndarray) -> np.ndarray:
        """Rate of change of the position under a whitened momentum."""
        return self.scale * momentum if self.factor is None else self.factor @ momentum

    def force(self, gradient: np.ndarray) -> np.ndarray:
        """The gradient as seen from the whitened space."""
        return self.scale * gradient if self.factor is None else gradient @ self.factor

    def set_variances(self, variances: np.ndarray) -> None:
        """Take a diagonal; entries that are not sensible positive numbers keep their value."""
        good = (variances > 1e-20) & (variances < 1e20)
        self.scale = np.where(good, np.sqrt(np.where(good, variances, 1.0)), self.scale)

    def set_covariance(self, covariance: np.ndarray) -> bool:
        """Take a dense covariance; False, and no change, if it is not positive definite."""
        try:
            self.factor = np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            return False
        self.scale = np.sqrt(np.diag(covariance))
        return True
