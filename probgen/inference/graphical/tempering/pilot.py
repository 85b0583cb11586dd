"""A cheap first walk along the path: where it is steep, and roughly what lies at its end.

A sequential Monte Carlo sampler (Del Moral, Doucet & Jasra 2006) whose steps all spread its
weights equally (Zhou, Johansen & Aston 2016): steps are short where the path is steep, so
positions taken evenly over the number of the step are a good ladder or schedule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from probgen.inference.graphical.tempering.path import Path, Statistics
from probgen.inference.graphical.tempering.weights import Weights, conditional_ess

__all__ = ["Pilot", "pilot"]

_EVENNESS = 0.9
_SHORTEST = 1e-3
_PARTICLES = 128


@dataclass(frozen=True, eq=False)
class Pilot:
    """Where the pilot stopped on the way (0 ... 1), and its particles at the end.

    states: (n, C) uint8. weights: of these; all -inf when none is possible.
    """

    knots: np.ndarray
    states: np.ndarray
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


def pilot(
    path: Path, seed: int, threads: int = 1, tell: Callable[[float], None] | None = None
) -> Pilot:
    """Walk the path once with 128 particles; `tell` hears how far it is."""
    states = path.draw_base(_PARTICLES, (seed % 2**128, 101))
    rng = np.random.default_rng((seed % 2**128, 102))
    key = int(rng.integers(2**63))
    weights = Weights(np.zeros(_PARTICLES))
    knots = [0.0]
    while True:
        found = path.statistics(states)
        s = _next(knots[-1], found, weights)
        weights = Weights(weights.log + found.step(knots[-1], s))
        knots.append(s)
        if s >= 1:
            return Pilot(np.array(knots), states, weights, len(knots) - 2)
        if weights.ess < 0.5 * _PARTICLES:
            states = np.ascontiguousarray(states[:, weights.resample(rng.random())])
            weights = Weights(np.zeros(_PARTICLES))
        path.sweeper(s).sweep(states, key, len(knots), 1, threads=threads)
        if tell:
            tell(s)


def _next(start: float, found: Statistics, weights: Weights) -> float:
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
