"""The first warm-up draws of a microcanonical sampler, made with NUTS.

At constant speed a far start is left slowly: where forces are large, steps must be small. In
Hamiltonian dynamics a chain picks up speed as it falls, and a few trajectories bring it home.
The twin of `native/burn_in.hpp`.
"""

from __future__ import annotations

import math

import numpy as np

from probgen.inference.adapt.settings import Settings
from probgen.inference.adapt.step_size import DualAveraging, first_step_size
from probgen.inference.phase_space import Hamiltonian, Point
from probgen.inference.transitions import Transition, nuts_transition

__all__ = ["BurnIn"]

ACCEPT = 0.8


class BurnIn:
    """NUTS with a step size that it adapts as it goes."""

    def __init__(self, settings: Settings, system: Hamiltonian, rng: np.random.Generator):
        self.settings, self.system, self.rng = settings, system, rng
        self.averaging = DualAveraging(settings)

    def start(self, point: Point) -> None:
        """Find a first step size."""
        self.averaging.start(first_step_size(self.system, point, self.rng, ACCEPT))

    @property
    def step(self) -> float:
        """As isokinetic samplers count it, whose speed is one, not the root of the dimension."""
        return self.averaging.step * math.sqrt(self.system.metric.scale.size)

    def __call__(self, point: Point, limit: int) -> Transition:
        """One trajectory of at most `limit` doublings."""
        result = nuts_transition(
            self.system, point, self.averaging.step, limit, self.rng, self.settings
        )
        self.averaging.update(result.acceptance, ACCEPT)
        return result
