"""The Hamiltonian system in numpy: points, momenta, the leapfrog step.

The twin of `native/hamiltonian.hpp`: momenta live in the whitened space of the metric, where
they are standard normal. Neal (2011), "MCMC using Hamiltonian dynamics", section 2.3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from probgen.inference.adapt.metric import Metric
from probgen.inference.method import DensityLike
from probgen.inference.snapshot import Fields, refuse

__all__ = ["Hamiltonian", "Point"]


@dataclass(frozen=True)
class Point:
    """A position with what is known there; `force` is the gradient in whitened space."""

    position: np.ndarray
    gradient: np.ndarray
    force: np.ndarray
    log_density: float

    def fields(self) -> Fields:
        """All of it, for a chain's state."""
        return {
            "position": self.position.copy(),
            "gradient": self.gradient.copy(),
            "force": self.force.copy(),
            "log_density": np.array(self.log_density),
        }


class Hamiltonian:
    """A density with a metric; counts the gradients it evaluates."""

    def __init__(self, density: DensityLike, metric: Metric):
        self.density = density
        self.metric = metric
        self.evaluations = 0

    def point(self, position: np.ndarray) -> Point:
        """Evaluate the density at `position`."""
        self.evaluations += 1
        value, gradient = self.density.value_and_grad(position)
        return Point(position, gradient, self.metric.force(gradient), float(value))

    def restored(self, fields: Fields) -> Point:
        """A point as it was, from a chain's state; raises `OptionError` if it is not finite."""
        if not np.isfinite(fields["position"]).all():
            refuse("position", "it is not finite")
        return Point(
            fields["position"].copy(), fields["gradient"].copy(), fields["force"].copy(),
            float(fields["log_density"]),
        )  # fmt: skip

    def leapfrog(
        self, start: Point, momentum: np.ndarray, step: float
    ) -> tuple[Point, np.ndarray, float]:
        """One step of signed size `step`: the new point, its momentum and its energy."""
        halfway = momentum + 0.5 * step * start.force
        end = self.point(start.position + step * self.metric.velocity(halfway))
        momentum = halfway + 0.5 * step * end.force
        return end, momentum, energy_of(end, momentum)


def energy_of(point: Point, momentum: np.ndarray) -> float:
    """Potential plus kinetic energy, in nats."""
    return 0.5 * float(momentum @ momentum) - point.log_density
