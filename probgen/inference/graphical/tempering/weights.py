"""Weights of importance samples, in the log domain: mean, effective number, error, resampling."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["Weights", "conditional_ess"]


@dataclass(frozen=True, eq=False)
class Weights:
    """Log weights of particles (nats), (C,); -inf for those that count for nothing."""

    log: np.ndarray

    @cached_property
    def normalised(self) -> np.ndarray:
        """Weights that sum to one; all zero when every particle has weight zero."""
        top = self.log.max(initial=-np.inf)
        if top == -np.inf:
            return np.zeros(len(self.log))
        weights = np.exp(self.log - top)
        return weights / weights.sum()

    @cached_property
    def log_mean(self) -> float:
        """Logarithm of the mean weight, nats."""
        top = self.log.max(initial=-np.inf)
        if top == -np.inf:
            return -np.inf
        return float(top + np.log(np.exp(self.log - top).mean()))

    @cached_property
    def ess(self) -> float:
        """Effective number of particles, 1 / sum of squared weights (Kong 1992)."""
        squares = float(np.square(self.normalised).sum())
        return 1 / squares if squares > 0 else 0.0

    @cached_property
    def log_mean_error(self) -> float:
        """Standard error of `log_mean`, by the delta method, nats."""
        count = len(self.log)
        if count < 2 or self.ess == 0:
            return np.inf
        return float(np.sqrt(max(count / self.ess - 1, 0.0) / (count - 1)))

    def resample(self, uniform: float) -> np.ndarray:
        """Indices of as many equally weighted particles: systematic (Kitagawa 1996), (C,)."""
        count = len(self.log)
        places = (np.arange(count) + uniform) / count
        cumulative = np.cumsum(self.normalised)
        found = np.searchsorted(cumulative / cumulative[-1], places, side="right")
        return np.minimum(found, np.flatnonzero(self.normalised)[-1])

    def mean(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Weighted mean of `values` (C, ...) over particles, and its standard error."""
        weights = self.normalised.reshape(-1, *[1] * (values.ndim - 1))
        mean = (weights * values).sum(axis=0)
        return mean, np.sqrt(np.square(weights * (values - mean)).sum(axis=0))


def conditional_ess(weights: np.ndarray, log_increments: np.ndarray) -> float:
    """How evenly increments spread over weighted particles, in [0, 1] (Zhou et al. 2016)."""
    top = log_increments.max(initial=-np.inf)
    if top == -np.inf:
        return 0.0
    increments = np.exp(log_increments - top)
    squares = float(weights @ np.square(increments))
    return float(weights @ increments) ** 2 / squares if squares > 0 else 0.0
