"""Warm-up in numpy: when the metric is shaped, from which draws, how long trajectories may be.

The twin of `native/warmup.hpp`: updates at growing intervals from the younger part of the draws;
a diagonal by gradients, then by variances; most trajectories cut short while the chain mixes.
"""

from __future__ import annotations

import numpy as np

from probgen.inference.adapt.directions import find_directions
from probgen.inference.adapt.settings import DENSE, Settings
from probgen.inference.memory import numbers_of, padded, set_numbers
from probgen.inference.phase_space import Hamiltonian, Point
from probgen.inference.snapshot import Fields

__all__ = ["Warmup"]

_NUMBERS = ("next", "depth", "fewer")


class Warmup:
    """Shapes the metric of a Hamiltonian system from the draws of its warm-up."""

    def __init__(self, settings: Settings, system: Hamiltonian):
        self.settings, self.system = settings, system
        # The metric of an earlier run stays as it is until there are draws enough for a better.
        self.first = 0 if settings.resume else settings.first_update
        self.hold = settings.longest_interval if settings.resume else 0
        self.last = settings.warmup - int(settings.final_fraction * settings.warmup)
        most = self.last if settings.metric == DENSE else settings.most_draws
        self.capacity = max(min(self.last, most), 3)
        self.positions: list[np.ndarray] = []
        self.gradients: list[np.ndarray] = []
        self.next = 3
        self.depth = self.fewer = 0

    def begin(self, start: Point) -> None:
        """Scale every coordinate by its gradient: the best guess from one point."""
        with np.errstate(divide="ignore"):
            self.system.metric.set_variances(1 / np.abs(start.gradient))

    def depth_limit(self, done: int) -> int:
        """Most doublings of the trajectory after `done` draws."""
        most = self.settings.max_tree_depth
        if done < min(self.first, self.last):
            return min(self.settings.first_depth, most)
        return most if self._full(done) else max(1, self.depth - self.fewer)

    def update(self, done: int, depth: int, point: Point) -> None:
        """Learn from the transition that makes `done` draws."""
        settings = self.settings
        if self._full(done - 1):
            self.depth = depth
        if done > self.last:
            return
        self.positions = [*self.positions, point.position][-self.capacity :]
        self.gradients = [*self.gradients, point.gradient][-self.capacity :]
        count = min(len(self.positions), max(3, int(settings.young_fraction * done)))
        if (done < self.next and done < self.last) or count < 3 or done < self.hold:
            return
        early = done < self.first
        self.next = done + 1 if early else self._time_after(done)
        self._shape(done, np.array(self.positions[-count:]), np.array(self.gradients[-count:]))
        drift = _drift(np.array(self.positions[-count:]))
        mixing = 0 if early else 2 if drift < settings.drift_two else drift < settings.drift_one
        self.fewer = int(mixing)

    def fields(self) -> Fields:
        """All of it, for a chain's state."""
        dim = self.system.metric.scale.size
        past = {
            f"history_{name}": padded(
                np.array(getattr(self, name)).reshape(-1, dim), self.capacity
            )
            for name in ("positions", "gradients")
        }
        return {
            **numbers_of(self, _NUMBERS, "warmup_"),
            "history_count": np.array(len(self.positions)),
            **past,
        }

    def restore(self, fields: Fields) -> None:
        """Take it from there."""
        set_numbers(self, _NUMBERS, fields, "warmup_")
        count = int(fields["history_count"])
        self.positions = list(fields["history_positions"][:count])
        self.gradients = list(fields["history_gradients"][:count])

    def _full(self, done: int) -> bool:
        return self.fewer == 0 or done >= self.last or done % self.settings.full_every == 0

    def _time_after(self, done: int) -> int:
        longest = self.settings.longest_interval
        after = min(int(self.settings.growth * done), done + longest)
        return self.last if after + longest // 2 > self.last else after

    def _shape(self, done: int, positions: np.ndarray, gradients: np.ndarray) -> None:
        settings, metric = self.settings, self.system.metric
        count, prior = len(positions), settings.prior_draws
        variance = np.var(positions, axis=0, ddof=1)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            balanced = np.sqrt(variance / np.var(gradients, axis=0, ddof=1))
        by_gradient = done < settings.gradient_fraction * self.last
        regularised = (count * variance + prior * balanced) / (count + prior)
        metric.set_variances(balanced if by_gradient else regularised)
        if settings.metric == DENSE and count >= 2 * positions.shape[1]:
            covariance = np.atleast_2d(np.cov(positions, rowvar=False)) * count / (count + prior)
            np.fill_diagonal(covariance, variance)
            metric.set_covariance(covariance)
        elif settings.max_directions > 0 and done >= self.first:
            metric.set_directions(find_directions(positions, gradients, metric.scale, settings))


def _drift(positions: np.ndarray) -> float:
    """The largest distance, in standard deviations, between the means of the two halves."""
    with np.errstate(divide="ignore", invalid="ignore"):
        young = positions[-(len(positions) // 2) :].mean(0)
        distance = 2 * np.abs(young - positions.mean(0)) / positions.std(0, ddof=1)
    return float(np.max(np.nan_to_num(distance, nan=0.0)))
