"""The transitions of MCLMC in numpy; the twin of `native/mclmc.hpp`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from probgen.inference.microcanonical.energy_search import EnergySearch
from probgen.inference.microcanonical.isokinetic import refreshed, refreshed_partly
from probgen.inference.microcanonical.sampler import Sampler
from probgen.inference.phase_space import Point
from probgen.inference.snapshot import Fields
from probgen.inference.transitions import Transition

__all__ = ["Mclmc"]


class Mclmc(Sampler):
    """Isokinetic steps, each followed by a little noise on the direction of travel."""

    def __init__(self, *parts: Any):
        super().__init__(*parts)
        self.search = EnergySearch(self.settings, self.dim, 1.0)
        self.velocity = np.zeros(self.dim)

    def fields(self, warm: bool) -> Fields:
        """The same, with the direction of travel."""
        learning = self.search.fields() if warm else {}
        return {**super().fields(warm), "velocity": self.velocity.copy(), **learning}

    def restore(self, fields: Fields, warm: bool) -> None:
        """Take it from there."""
        super().restore(fields, warm)
        self.velocity = fields["velocity"].copy()
        if warm:
            self.search.restore(fields)

    def start(self, point: Point) -> None:
        """Take a direction and a first step size."""
        self.search = EnergySearch(self.settings, self.dim, self.tuning.step_size)
        if self.finds_step:
            step = self.first_step(point, lambda change: not self.search.exceeds(change))
            self.tuning.step_size = self.search.step = step
        self.velocity = refreshed(self.dim, self.rng)

    def __call__(self, point: Point) -> Transition:
        """So many steps that the direction decoheres once or twice."""
        steps, error, diverging = int(self.tuning.steps), 0.0, False
        for _ in range(steps):
            moved, velocity, change = self.move(point, self.velocity, self.tuning.step_size)
            good = abs(change) < self.settings.max_energy_error  # false for NaN as well
            if good:
                point, error = moved, error + change
            else:  # back: that leaves the density of what can be reached as it is
                diverging, velocity = True, -self.velocity
            self._account(change, good)
            self.velocity = refreshed_partly(
                velocity, self.tuning.step_size, self.tuning.length, self.rng
            )
        return Transition(
            point, 0.0, steps, acceptance=1.0, energy_error=error, diverging=diverging
        )

    def prepare(self) -> None:
        """Make ready for the next warm-up draw."""
        settings = self.settings
        self._set_steps(settings.draws_per_length_warmup, settings.most_steps_warmup)

    def learn(self, result: Transition, last: bool) -> None:
        """Take over what a warm-up draw has taught; fix it after the last."""
        if last:
            self._set_steps(self.settings.draws_per_length, self.settings.most_steps)

    def settle(self) -> None:
        """The metric has changed for the last time."""
        self.search.settle()

    @property
    def travelled(self) -> float:
        """The distance between draws."""
        return self.tuning.steps * self.tuning.step_size

    def _account(self, change: float, good: bool) -> None:
        if self.learning:
            self.search.update(self.tuning.step_size, change, good)
            self.tuning.step_size = self.search.step
        elif good:
            self.squares, self.counted = self.squares + change**2 / self.dim, self.counted + 1
            self.tuning.energy_error = self.squares / self.counted

    def _set_steps(self, draws_per_length: float, most: int) -> None:
        fixed, tuning = self.settings.steps_per_draw, self.tuning
        wanted = tuning.length / (draws_per_length * tuning.step_size)
        self.tuning.steps = min(max(fixed if fixed > 0 else math.floor(wanted + 0.5), 1), most)
