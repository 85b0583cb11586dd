"""Euclidean metrics in numpy, the twin of `native/metric.hpp`.

The inverse mass matrix is L L^T; `velocity` is L p, `force` is L^T g. L is a diagonal, a diagonal
after a stretch along a few directions, or a full lower triangle.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from probgen.inference.adapt.directions import Directions, direction_rows
from probgen.inference.adapt.settings import DENSE, Settings
from probgen.inference.memory import padded
from probgen.inference.snapshot import Fields, refuse

__all__ = ["Metric"]


class Metric:
    """A linear change of coordinates under which the posterior should look standard normal."""

    def __init__(self, dim: int):
        self.scale = np.ones(dim)
        self._directions = np.empty((0, dim))
        self._eigenvalues = np.empty(0)
        self._factor: np.ndarray | None = None

    @property
    def rank(self) -> int:
        """Directions that are stretched, beyond the diagonal."""
        return len(self._directions) if self._factor is None else len(self._factor)

    def velocity(self, momentum: np.ndarray) -> np.ndarray:
        """Rate of change of the position under a whitened momentum."""
        if self._factor is not None:
            return self._factor @ momentum
        return self.scale * self._stretched(momentum)

    def force(self, gradient: np.ndarray) -> np.ndarray:
        """The gradient as seen from the whitened space."""
        if self._factor is not None:
            return gradient @ self._factor
        return self._stretched(self.scale * gradient)

    def set_variances(self, variances: np.ndarray) -> None:
        """Take a diagonal; entries that are not sensible positive numbers keep their value."""
        good = (variances > 1e-20) & (variances < 1e20)
        self.scale = np.where(good, np.sqrt(np.where(good, variances, 1.0)), self.scale)

    def set_directions(self, directions: Directions) -> None:
        """Stretch along `directions`, and scale all the rest by their `bulk`."""
        self.scale = self.scale * directions.bulk
        self._directions = directions.vectors
        self._eigenvalues = directions.values

    def set_covariance(self, covariance: np.ndarray) -> bool:
        """Take a full covariance; False, and no change, if it is not positive definite."""
        try:
            self._factor = np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            return False
        return True

    def keep(self, learnt: Mapping[str, np.ndarray], chain: int) -> None:
        """Write the metric into a chain's rows of `empty_adaptation`."""
        learnt["scale"][chain] = self.scale
        if "directions" in learnt:
            rank = len(self._directions)
            learnt["directions"][chain] = learnt["eigenvalues"][chain] = 0.0
            learnt["directions"][chain, :rank] = self._directions
            learnt["eigenvalues"][chain, :rank] = self._eigenvalues
        if "factor" in learnt:
            learnt["factor"][chain] = 0.0 if self._factor is None else self._factor

    def restore(self, learnt: Mapping[str, np.ndarray], chain: int) -> None:
        """Take the metric from there."""
        self.scale = learnt["scale"][chain].copy()
        if "directions" in learnt:
            rank = int((learnt["eigenvalues"][chain] > 0).sum())
            self._directions = learnt["directions"][chain, :rank].copy()
            self._eigenvalues = learnt["eigenvalues"][chain, :rank].copy()
        if "factor" in learnt and learnt["factor"][chain, 0, 0] > 0:
            self._factor = learnt["factor"][chain].copy()

    def fields(self, settings: Settings) -> Fields:
        """All of it, for a chain's state; shapes follow from the settings alone."""
        dim = len(self.scale)
        rows = direction_rows(settings, dim)
        fields = {
            "scale": self.scale,
            "directions": padded(self._directions, rows),
            "eigenvalues": padded(self._eigenvalues, rows),
        }
        if settings.metric == DENSE:
            factor = np.zeros((dim, dim)) if self._factor is None else self._factor
            fields["factor"] = factor
        return {name: value.copy() for name, value in fields.items()}

    def take(self, fields: Fields) -> None:
        """Take it from there; raises `OptionError` for a scale that is not positive."""
        if not (fields["scale"] > 0).all():
            refuse("scale", "it is not positive")
        names = ("scale", "directions", "eigenvalues", "factor")
        self.restore({name: fields[name][None] for name in names if name in fields}, 0)

    def _stretched(self, x: np.ndarray) -> np.ndarray:
        if not len(self._directions):
            return x
        longer = np.sqrt(self._eigenvalues) - 1
        return x + (longer * (self._directions @ x)) @ self._directions
