"""A log density as an optimiser sees it: evaluations counted, failures taken for NaN."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from probgen.errors import ProbgenError
from probgen.inference.method import DensityLike

__all__ = ["Objective", "Place"]

_NOISE, _NOISE_SINGLE = 1e-14, 1e-6


@dataclass(frozen=True)
class Place:
    """A position with its log density (nats) and gradient."""

    position: np.ndarray
    value: float
    gradient: np.ndarray

    @property
    def finite(self) -> bool:
        """Whether an optimiser can stand here."""
        return bool(np.isfinite(self.value) and np.isfinite(self.gradient).all())


class Objective:
    """`density` with a count of its evaluations; `stop`, once set, ends the work early."""

    def __init__(self, density: DensityLike, stop: threading.Event | None = None):
        self.density = density
        self.evaluations = 0
        single = getattr(density, "precision", "float64") == "float32"
        self.noise = _NOISE_SINGLE if single else _NOISE
        """Rounding error of the log density, relative to its size."""
        self.stop = stop or threading.Event()

    def __call__(self, position: np.ndarray) -> Place:
        """The density at `position`; NaN where the program fails. KeyboardInterrupt if stopped."""
        if self.stop.is_set():
            raise KeyboardInterrupt
        self.evaluations += 1
        try:
            value, gradient = self.density.value_and_grad(position)
        except ProbgenError:
            raise
        except (ArithmeticError, ValueError, RuntimeError):
            return Place(position, np.nan, np.full(position.size, np.nan))
        return Place(position, float(value), np.asarray(gradient, dtype=np.float64))

    def values(self, positions: np.ndarray) -> np.ndarray:
        """Log densities at the rows of `positions`; -inf where they are NaN."""
        values = np.array([self(row).value for row in positions])
        return np.where(np.isnan(values), -np.inf, values)
