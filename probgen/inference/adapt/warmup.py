"""Warm-up in numpy: which draws shape the metric, when, and how; the twin of `native/warmup.hpp`.

A foreground estimator shapes the metric while a younger one grows behind it. The diagonal metric
starts as sqrt(var position / var gradient) and ends as the regularised variance; the dense one is
the regularised covariance over growing windows.
"""

from __future__ import annotations

import numpy as np

from probgen.inference.adapt.settings import Settings
from probgen.inference.phase_space import Hamiltonian, Point

__all__ = ["Warmup"]


class _Window:
    """Positions and gradients of the recent past."""

    def __init__(self) -> None:
        self.positions: list[np.ndarray] = []
        self.gradients: list[np.ndarray] = []

    def add(self, point: Point) -> None:
        self.positions.append(point.position)
        self.gradients.append(point.gradient)

    @property
    def count(self) -> int:
        return len(self.positions)


class Warmup:
    """Shapes the metric of a Hamiltonian system from the draws of its warm-up."""

    def __init__(self, settings: Settings, system: Hamiltonian):
        self.settings, self.system = settings, system
        self.foreground, self.background = _Window(), _Window()
        warmup = settings.warmup
        self.early = int(settings.early_fraction * warmup)
        self.last = warmup - int(settings.final_fraction * warmup)
        self.by_gradient = self.early + int(
            settings.gradient_fraction * (self.last - self.early)
        )
        self.dense_window = 4 * settings.early_window

    def begin(self, start: Point) -> None:
        """Scale every coordinate by its gradient: the best guess from one point."""
        if self.system.metric.dense:
            return
        size = np.abs(start.gradient)
        good = (size > 1e-10) & (size < 1e10)
        self.system.metric.set_variances(np.where(good, 1 / np.where(good, size, 1.0), np.nan))

    def update(self, draw: int, point: Point) -> bool:
        """Learn from warm-up draw `draw`; True if the step size must be sought anew."""
        if draw >= self.last:
            return False
        self.background.add(point)
        if self.system.metric.dense:
            return self._update_dense(draw)
        self.foreground.add(point)
        settings = self.settings
        window = settings.early_window if draw < self.early else settings.late_window
        if self.background.count >= window:
            self.foreground, self.background = self.background, _Window()
        if self.foreground.count >= 3:
            self._update_diagonal(draw >= self.by_gradient)
        return False

    def _update_diagonal(self, by_variance: bool) -> None:
        count, prior = self.foreground.count, self.settings.prior_draws
        variance = np.var(self.foreground.positions, axis=0, ddof=1)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            balanced = np.sqrt(variance / np.var(self.foreground.gradients, axis=0, ddof=1))
            regularised = (count * variance + prior * balanced) / (count + prior)
        self.system.metric.set_variances(regularised if by_variance else balanced)

    def _update_dense(self, draw: int) -> bool:
        count, prior = self.background.count, self.settings.prior_draws
        over = draw + 1 == self.last
        if count < self.dense_window and not over:
            return False
        if count < 3 or (not over and self.last - draw < 2 * self.dense_window):
            return False
        covariance = np.atleast_2d(np.cov(self.background.positions, rowvar=False))
        ridge = self.settings.prior_variance * np.eye(len(covariance))
        covariance = (count * covariance + prior * ridge) / (count + prior)
        if not self.system.metric.set_covariance(covariance):
            return False
        self.background = _Window()
        self.dense_window *= 2
        return True
