"""What the transitions of MCLMC and MAMS in numpy have in common.

A sampler keeps its velocity, number of steps and step size search; what a later run can go on
from lies in the chain's `Tuning`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from probgen.inference.memory import numbers_of, set_numbers
from probgen.inference.microcanonical.isokinetic import Isokinetic, refreshed
from probgen.inference.microcanonical.settings import MicrocanonicalSettings, Tuning
from probgen.inference.phase_space import Hamiltonian, Point
from probgen.inference.snapshot import Fields

__all__ = ["Sampler"]

_COUNTED = ("squares", "counted")


class Sampler:
    """What both need: the system, the integrator, and a first step size."""

    def __init__(
        self, settings: MicrocanonicalSettings, system: Hamiltonian, tuning: Tuning,
        rng: np.random.Generator,
    ):  # fmt: skip
        self.settings, self.system, self.tuning, self.rng = settings, system, tuning, rng
        self.dim = system.metric.scale.size
        self.move = Isokinetic(system, settings.integrator)
        self.learning = False
        self.squares, self.counted = 0.0, 0

    @property
    def finds_step(self) -> bool:
        """Whether there is no step size yet, neither given nor learnt."""
        return self.settings.step_size <= 0 and not self.settings.resume

    def fields(self, warm: bool) -> Fields:
        """All of it, for a chain's state; in warm-up with what it learns from."""
        return numbers_of(self, _COUNTED)

    def restore(self, fields: Fields, warm: bool) -> None:
        """Take it from there."""
        set_numbers(self, _COUNTED, fields)
        self.warm(warm)

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
