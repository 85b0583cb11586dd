"""A cheap first walk along the path: where it is steep, and roughly what lies at its end.

A sequential Monte Carlo sampler (Del Moral, Doucet & Jasra 2006) whose steps all spread its
weights equally (Zhou, Johansen & Aston 2016): steps are short where the path is steep, so
positions taken evenly over the number of the step are a good ladder or schedule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from probgen.inference.graphical.tempering.path import Path
from probgen.inference.graphical.tempering.weights import Weights, conditional_ess

__all__ = ["PARTICLES", "Course", "Pilot", "Rise", "pilot", "steer"]

_EVENNESS = 0.9
_SHORTEST = 1e-3
PARTICLES = 128


class Rise(Protocol):
    """What a path needs to know of particles."""

    def step(self, start: float, stop: float) -> np.ndarray:
        """Log density of the particles at position `stop` less that at `start`, nats, (C,)."""


class Course(Protocol):
    """A path and how particles walk it; states are whatever it likes."""

    def start(self) -> Any:
        """States of PARTICLES particles at position 0."""

    def statistics(self, states: Any) -> Rise:
        """What the path needs to know of them."""

    def move(self, states: Any, s: float, number: int) -> Any:
        """States after step `number`, which leaves the density at s invariant."""

    def choose(self, states: Any, which: np.ndarray) -> Any:
        """The particles of some indices."""


@dataclass(frozen=True, eq=False)
class Pilot:
    """Where the pilot stopped on the way (0 ... 1), and its particles at the end.

    states: (n, C) uint8 of a network. weights: of these; all -inf when none is possible.
    """

    knots: np.ndarray
    states: Any
    weights: Weights
    sweeps: int

    def positions(self, steps: int) -> np.ndarray:
        """`steps` + 1 positions from 0 to 1, dense where the path is steep."""
        along = np.linspace(0, len(self.knots) - 1, steps + 1)
        return np.interp(along, np.arange(len(self.knots)), self.knots)

    @property
    def length(self) -> float:
        """Length of the path in standard deviations of the log density: all steps are alike."""
        return (len(self.knots) - 1) * float(np.sqrt(-np.log(_EVENNESS)))


@dataclass(frozen=True)
class _NetworkCourse:
    """The course of a network's path; one key for all sweeps."""

    path: Path
    seed: int
    key: int
    threads: int

    def start(self) -> np.ndarray:
        return self.path.draw_base(PARTICLES, (self.seed % 2**128, 101))

    def statistics(self, states: np.ndarray) -> Rise:
        return self.path.statistics(states)

    def move(self, states: np.ndarray, s: float, number: int) -> np.ndarray:
        self.path.sweeper(s).sweep(states, self.key, number, 1, threads=self.threads)
        return states

    def choose(self, states: np.ndarray, which: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(states[:, which])


def pilot(
    path: Path, seed: int, threads: int = 1, tell: Callable[[float], None] | None = None
) -> Pilot:
    """Walk a network's path once with 128 particles; `tell` hears how far it is."""
    rng = np.random.default_rng((seed % 2**128, 102))
    course = _NetworkCourse(path, seed, int(rng.integers(2**63)), threads)
    return steer(course, rng.random, tell)


def steer(
    course: Course, uniform: Callable[[], float], tell: Callable[[float], None] | None = None
) -> Pilot:
    """Walk a course once; `uniform` gives a random number for each resampling."""
    states = course.start()
    weights = Weights(np.zeros(PARTICLES))
    knots = [0.0]
    while True:
        found = course.statistics(states)
        s = _next(knots[-1], found, weights)
        weights = Weights(weights.log + found.step(knots[-1], s))
        knots.append(s)
        if s >= 1:
            return Pilot(np.array(knots), states, weights, len(knots) - 2)
        if weights.ess < 0.5 * PARTICLES:
            states = course.choose(states, weights.resample(uniform()))
            weights = Weights(np.zeros(PARTICLES))
        states = course.move(states, s, len(knots))
        if tell:
            tell(s)


def _next(start: float, found: Rise, weights: Weights) -> float:
    """The farthest position to which the weights stay as even as wanted."""

    def evenness(stop: float) -> float:
        return conditional_ess(weights.normalised, found.step(start, stop))

    if evenness(1.0) >= _EVENNESS or 1 - start < 1e-6:
        return 1.0
    low, high = start, 1.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        if evenness(middle) >= _EVENNESS:
            low = middle
        else:
            high = middle
    # Near the end, where states of probability zero die out, steps shrink with what is left.
    return min(1.0, max(low, start + min(_SHORTEST, 0.05 * (1 - start))))
