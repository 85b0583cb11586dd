"""The transitions of MCLMC and MAMS in numpy; twins of `native/mclmc.hpp` and `native/mams.hpp`.

A sampler keeps its velocity, number of steps and step size search; what a later run can go on
from lies in the chain's `Tuning`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from probgen.inference.adapt.step_size import DualAveraging
from probgen.inference.microcanonical.energy_search import EnergySearch
from probgen.inference.microcanonical.isokinetic import Isokinetic, refreshed, refreshed_partly
from probgen.inference.microcanonical.settings import MicrocanonicalSettings, Tuning
from probgen.inference.phase_space import Hamiltonian, Point
from probgen.inference.transitions import Transition

__all__ = ["Mams", "Mclmc"]

GOLDEN = 0.6180339887498949
"""Its multiples fill an interval more evenly than random numbers."""


class _Sampler:
    """What both need: the system, the integrator, and a first step size."""

    def __init__(
        self, settings: MicrocanonicalSettings, system: Hamiltonian, tuning: Tuning,
        rng: np.random.Generator,
    ):  # fmt: skip
        self.settings, self.system, self.tuning, self.rng = settings, system, tuning, rng
        self.dim = system.metric.scale.size
        self.move = Isokinetic(system, settings.integrator)
        self.learning = False

    @property
    def finds_step(self) -> bool:
        """Whether there is no step size yet, neither given nor learnt."""
        return self.settings.step_size <= 0 and not self.settings.resume

    def warm(self, warm: bool) -> None:
        """Say whether transitions are warm-up, from which the step size is learnt."""
        self.learning = warm and self.settings.step_size <= 0

    def first_step(self, start: Point, good: Callable[[float], bool]) -> float:
        """Double or halve until the energy error of one step ceases, or begins, to be good."""
        step, direction = 0.25 * math.sqrt(self.dim), 0
        for _ in range(50):
            change = self.move(start, refreshed(self.dim, self.rng), step)[2]
            wanted = 1 if good(change) else -1
            if direction not in (0, wanted):
                break
            direction = wanted
            step *= 2.0**direction
        return step


class Mclmc(_Sampler):
    """Isokinetic steps, each followed by a little noise on the direction of travel."""

    def start(self, point: Point) -> None:
        """Take a direction and a first step size."""
        self.squares, self.counted = 0.0, 0
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


class Mams(_Sampler):
    """Isokinetic trajectories of a random number of steps, accepted or not."""

    def start(self, point: Point) -> None:
        """Take a first step size."""
        self.phase = self.rng.random()
        self.squares, self.counted, self.lesson = 0.0, 0, 0.0
        self.averaging = DualAveraging(self.settings)
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
