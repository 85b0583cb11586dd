"""The transitions of MAMS in numpy; the twin of `native/mams.hpp`."""

from __future__ import annotations

import math
from typing import Any

from probgen.inference.adapt.step_size import DualAveraging
from probgen.inference.memory import numbers_of, set_numbers
from probgen.inference.microcanonical.isokinetic import refreshed
from probgen.inference.microcanonical.sampler import Sampler
from probgen.inference.phase_space import Point
from probgen.inference.snapshot import Fields
from probgen.inference.transitions import Transition

__all__ = ["Mams"]

GOLDEN = 0.6180339887498949
"""Its multiples fill an interval more evenly than random numbers."""


class Mams(Sampler):
    """Isokinetic trajectories of a random number of steps, accepted or not."""

    def __init__(self, *parts: Any):
        super().__init__(*parts)
        self.averaging = DualAveraging(self.settings)
        self.phase = self.lesson = 0.0

    def fields(self, warm: bool) -> Fields:
        """The same, with the phase that lengths follow from."""
        learning = self.averaging.fields() if warm else {}
        return {**super().fields(warm), **numbers_of(self, ("phase",)), **learning}

    def restore(self, fields: Fields, warm: bool) -> None:
        """Take it from there."""
        super().restore(fields, warm)
        set_numbers(self, ("phase",), fields)
        if warm:
            self.averaging.restore(fields)

    def start(self, point: Point) -> None:
        """Take a first step size."""
        self.phase = self.rng.random()
        if self.finds_step:
            most = -math.log(self.settings.target_accept)
            self.tuning.step_size = self.first_step(point, lambda change: change < most)
        self.averaging.start(self.tuning.step_size, bool(self.settings.resume))

    def __call__(self, point: Point) -> Transition:
        """One trajectory in a fresh direction, and the decision."""
        proposal, velocity, change = point, refreshed(self.dim, self.rng), 0.0
        steps, most = self._number_of_steps(), self.settings.max_energy_error
        for done in range(1, steps + 1):
            proposal, velocity, more = self.move(proposal, velocity, self.tuning.step_size)
            change += more
            self._account(more)
            if not -math.inf < change < most:  # true for NaN as well
                # Leaving the support is no matter of the step size, and would drive it to zero:
                # it counts as one bad step among the good ones before it.
                self.lesson = (done - 1) / done
                return Transition(point, 0.0, done, diverging=True)
        self.lesson = acceptance = math.exp(-change) if change > 0 else 1.0
        if self.rng.random() < acceptance:
            return Transition(proposal, 0.0, steps, acceptance=acceptance, energy_error=change)
        return Transition(point, 0.0, steps, acceptance=acceptance)

    def prepare(self) -> None:
        """Warm-up draws are like all others."""

    def learn(self, result: Transition, last: bool) -> None:
        """Take over what a warm-up draw has taught; fix it after the last."""
        if self.learning:
            self.averaging.update(self.lesson, self.settings.target_accept)
            averaging = self.averaging
            self.tuning.step_size = averaging.averaged_step if last else averaging.step
        self.tuning.steps = max(self.tuning.length / self.tuning.step_size, 1.0)

    def settle(self) -> None:
        """Dual averaging forgets by itself."""

    @property
    def travelled(self) -> float:
        """The distance between draws, on average."""
        return self.tuning.length

    def _account(self, change: float) -> None:
        if not self.learning and math.isfinite(change):
            self.squares, self.counted = self.squares + change**2 / self.dim, self.counted + 1
            self.tuning.energy_error = self.squares / self.counted

    def _number_of_steps(self) -> int:
        self.phase = (self.phase + GOLDEN) % 1.0
        wanted = math.ceil(2 * self.phase * self.tuning.length / self.tuning.step_size)
        return min(max(wanted, 1), self.settings.most_steps)
