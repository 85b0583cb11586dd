"""Step size in numpy: a first guess, then Nesterov's dual averaging.

Hoffman & Gelman (2014), section 3.2 and algorithm 4; the twin of `native/step_size.hpp`.
"""

from __future__ import annotations

import math

import numpy as np

from probgen.inference.adapt.settings import Settings
from probgen.inference.memory import numbers_of, set_numbers
from probgen.inference.phase_space import Hamiltonian, Point, energy_of
from probgen.inference.snapshot import Fields

__all__ = ["AVERAGED", "DualAveraging", "first_step_size"]

SMALLEST, LARGEST = 1e-10, 1e7
FEW_UPDATES, LEARNT_UPDATES = 10, 100
AVERAGED = ("centre", "log_step", "average", "first", "error", "count")
"""The numbers of a `DualAveraging`."""


class DualAveraging:
    """Drives the mean acceptance probability to its target by moving log(step)."""

    def __init__(self, settings: Settings):
        self.settings = settings
        self.centre = self.log_step = self.average = self.first = self.error = 0.0
        self.count = 0

    def start(self, step: float, learnt: bool = False) -> None:
        """Start from a first guess, soon left for larger steps, or from a step `learnt`.

        The latter is left as slowly as after a hundred updates.
        """
        self.centre = math.log((1.0 if learnt else self.settings.overshoot) * step)
        self.log_step = self.average = self.first = math.log(step)
        self.error, self.count = 0.0, LEARNT_UPDATES if learnt else 0

    def update(self, acceptance: float, target: float) -> None:
        """Learn from one transition."""
        settings = self.settings
        self.count += 1
        rate = 1 / (self.count + settings.offset)
        self.error = (1 - rate) * self.error + rate * (target - acceptance)
        self.log_step = self.centre - math.sqrt(self.count) / settings.shrinkage * self.error
        self.log_step = min(max(self.log_step, math.log(SMALLEST)), math.log(LARGEST))
        weight = self.count**-settings.forgetting
        self.average = weight * self.log_step + (1 - weight) * self.average

    def fields(self) -> Fields:
        """All of it, for a chain's state."""
        return numbers_of(self, AVERAGED, "averaging_")

    def restore(self, fields: Fields) -> None:
        """Take it from there."""
        set_numbers(self, AVERAGED, fields, "averaging_")

    @property
    def step(self) -> float:
        """The step size to try next."""
        return math.exp(self.log_step)

    @property
    def averaged_step(self) -> float:
        """The step size to keep; the first guess if there was too little to learn from."""
        return math.exp(self.first if self.count < FEW_UPDATES else self.average)


def first_step_size(
    system: Hamiltonian, start: Point, rng: np.random.Generator, target: float
) -> float:
    """Double or halve the step until one leapfrog step's acceptance crosses the target."""
    step, direction = 1.0, 0
    for _ in range(100):
        momentum = rng.standard_normal(start.position.size)
        _, _, after = system.leapfrog(start, momentum, step)
        gain = energy_of(start, momentum) - after
        wanted = 1 if after > -math.inf and gain > math.log(target) else -1
        if direction not in (0, wanted):
            break
        direction = wanted
        step *= 2.0**direction
        if not SMALLEST <= step <= LARGEST:
            break
    return step
