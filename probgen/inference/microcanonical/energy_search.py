"""The step size at which a step's energy error has a wanted variance per coordinate.

The variance grows as the sixth power of the step, so every step tells, whatever its size. The
estimate forgets exponentially and outliers weigh little (Robnik et al. 2023), until it settles.
The twin of `native/energy_search.hpp`.
"""

from __future__ import annotations

import math

from probgen.inference.adapt.step_size import FEW_UPDATES, LARGEST, SMALLEST
from probgen.inference.memory import numbers_of, set_numbers
from probgen.inference.microcanonical.settings import MicrocanonicalSettings
from probgen.inference.snapshot import Fields

__all__ = ["EnergySearch"]

_NUMBERS = ("keep", "step", "largest", "total", "weights", "settled")

TRUST = 1.5
"""Spread of the trusted errors, in factors of e of the step size."""
RECOVERY = 1.02
"""Growth, per good step, of the largest step that divergences have left."""


class EnergySearch:
    """Learns from the energy error of every step."""

    def __init__(self, settings: MicrocanonicalSettings, dim: int, step: float):
        self.target = settings.target_energy_error * dim
        self.keep = 1 - 1 / settings.forgetting_steps
        self.step, self.largest = step, LARGEST
        self.total = self.weights = 0.0
        self.settled = False

    def fields(self) -> Fields:
        """All of it, for a chain's state."""
        return numbers_of(self, _NUMBERS, "search_")

    def restore(self, fields: Fields) -> None:
        """Take it from there."""
        set_numbers(self, _NUMBERS, fields, "search_")

    def exceeds(self, change: float) -> bool:
        """Whether one step's energy error is larger than what is aimed at."""
        return not change**2 < self.target

    def update(self, step: float, change: float, good: bool) -> None:
        """Learn from a step of size `step`; a bad one lowers the largest step allowed."""
        if good:
            excess = change**2 / self.target + 1e-8
            outlying = math.log(excess) / (6 * TRUST)
            weight = 1.0 if self.settled else math.exp(-0.5 * outlying**2)
            self.total = self.keep * self.total + weight * excess / step**6
            self.weights = self.keep * self.weights + weight
            self.step = (self.total / self.weights) ** (-1 / 6)
            self.largest *= RECOVERY
        else:
            self.largest = 0.8 * step
        self.step = min(max(min(self.step, self.largest), SMALLEST), LARGEST)

    def settle(self) -> None:
        """From now on all steps weigh the same: rare large errors are part of the variance.

        What was learnt before, under another metric, weighs as little as a few of them.
        """
        factor = min(1.0, FEW_UPDATES / max(self.weights, 1e-10))
        self.total *= factor
        self.weights *= factor
        self.keep, self.settled = 1.0, True
