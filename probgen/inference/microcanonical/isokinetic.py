"""Isokinetic dynamics in numpy, the twin of `native/isokinetic.hpp`.

The speed is one, forces turn the direction of travel only: dx/dt = u and du/dt =
(1 - u u^T) grad log p / (d - 1), in the whitened space of the metric. Robnik, De Luca,
Silverstein & Seljak (2023), "Microcanonical Hamiltonian Monte Carlo"; ver Steeg & Galstyan
(2021), "Hamiltonian dynamics with non-Newtonian momentum for rapid sampling".
"""

from __future__ import annotations

import math

import numpy as np

from probgen.inference.microcanonical.settings import INTEGRATORS
from probgen.inference.phase_space import Hamiltonian, Point

__all__ = ["Isokinetic", "refreshed", "refreshed_partly", "turn"]

MINIMAL_NORM = 0.1931833275037836
"""Outer fraction of the momentum's time in McLachlan's (1995) scheme of two forces."""


class Isokinetic:
    """Moves points and velocities of a Hamiltonian system one step at a time."""

    def __init__(self, system: Hamiltonian, integrator: int):
        self.system = system
        self.mclachlan = integrator == INTEGRATORS["mclachlan"]

    def __call__(
        self, start: Point, velocity: np.ndarray, step: float
    ) -> tuple[Point, np.ndarray, float]:
        """One step of size `step`: the new point, its velocity, and the change of energy."""
        outer = MINIMAL_NORM if self.mclachlan else 0.5
        velocity, kinetic = turn(start.force, velocity, outer * step)
        point = start
        if self.mclachlan:
            point = self._drift(point, velocity, 0.5 * step)
            velocity, more = turn(point.force, velocity, (1 - 2 * MINIMAL_NORM) * step)
            kinetic += more
        point = self._drift(point, velocity, 0.5 * step if self.mclachlan else step)
        velocity, more = turn(point.force, velocity, outer * step)
        return point, velocity, kinetic + more - (point.log_density - start.log_density)

    def _drift(self, point: Point, velocity: np.ndarray, step: float) -> Point:
        return self.system.point(point.position + step * self.system.metric.velocity(velocity))


def turn(force: np.ndarray, velocity: np.ndarray, step: float) -> tuple[np.ndarray, float]:
    """Turn `velocity` towards `force` for the time `step`; with it, the kinetic energy's change.

    The change is (d - 1) log |p|: the logarithm of how much the turn shrinks phase space.
    """
    size = float(np.sqrt(force @ force))
    if size == 0:
        return velocity, 0.0
    freedom = velocity.size - 1
    along = min(max(float(force @ velocity) / size, -1.0), 1.0)
    delta = step * size / freedom
    decay = math.exp(-delta) if math.isfinite(delta) else math.nan
    pull = (1 - decay) * (1 + decay + along * (1 - decay))
    turned = pull / size * force + 2 * decay * velocity
    change = delta - math.log(2) + np.log(1 + along + (1 - along) * decay**2)
    return turned / np.sqrt(turned @ turned), freedom * float(change)


def refreshed(dim: int, rng: np.random.Generator) -> np.ndarray:
    """A velocity in a direction of its own."""
    noise = rng.standard_normal(dim)
    return noise / np.sqrt(noise @ noise)


def refreshed_partly(
    velocity: np.ndarray, step: float, length: float, rng: np.random.Generator
) -> np.ndarray:
    """The velocity after its direction has decohered for the time `step`, over `length`."""
    amount = math.sqrt(math.expm1(2 * step / length) / velocity.size)
    moved = velocity + amount * rng.standard_normal(velocity.size)
    return moved / np.sqrt(moved @ moved)
