"""L-BFGS: climbing a log density with gradients alone (Liu & Nocedal 1989).

One iteration at a time, so that Pathfinder can look at every place on the way. The climb has
converged when the rise that the curvature still promises, g^T H g / 2, is below `tolerance`
nats: a measure that does not depend on how coordinates are scaled.
"""

from __future__ import annotations

import math

import numpy as np

from probgen.inference.optimise.curvature import Curvature
from probgen.inference.optimise.line_search import search
from probgen.inference.optimise.objective import Objective, Place

__all__ = ["Ascent"]

PAIRS = 20
FAR = 1e10
"""A coordinate or a log density beyond this has run away."""


class Ascent:
    """A climb from `start`; `step` makes one iteration, `run` all of them.

    `place` is where it stands, `curvature` what it knows of the shape there; `outcome` becomes
    "converged", "ran away" (no bound was met), "stuck" (no step rises any more) or "unfinished".
    """

    def __init__(
        self,
        objective: Objective,
        start: np.ndarray,
        *,
        pairs: int = PAIRS,
        tolerance: float = 1e-10,
        iterations: int = 5000,
    ):
        self.objective = objective
        self.place: Place = objective(np.array(start, dtype=np.float64))
        self.curvature = Curvature.unknown(self.place.position.size)
        self.pairs, self.tolerance, self.most = pairs, tolerance, iterations
        self.iterations = 0
        self.outcome = "" if self.place.finite else "stuck"
        self._earlier = self._midway = self.place.position

    @property
    def promised(self) -> float:
        """The rise (nats) that a step to the maximum of the quadratic estimate would bring."""
        gradient = self.place.gradient
        return 0.5 * float(gradient @ self.curvature.times(gradient))

    @property
    def drift(self) -> np.ndarray:
        """How far every coordinate went in about the last two thirds of the climb."""
        return np.abs(self.place.position - self._earlier)

    def run(self) -> Ascent:
        """Climb until there is an outcome."""
        while not self.outcome:
            self.step()
        return self

    def step(self) -> None:
        """One iteration: a direction, a line search, what the step taught."""
        if self._arrived():
            self.outcome = "converged"
            return
        if self.iterations >= self.most:
            self.outcome = "unfinished"
            return
        found = self._climb()
        if found is None:
            self.outcome = "stuck"
            return
        self._learn(found)
        self.iterations += 1
        if self.iterations & (self.iterations - 1) == 0:  # powers of two
            self._earlier, self._midway = self._midway, found.position
        if np.abs(found.position).max() > FAR or found.value > FAR:
            self.outcome = "ran away"

    def _arrived(self) -> bool:
        largest = float(np.abs(self.place.gradient).max())
        if self.curvature.pairs == 0:
            return largest == 0.0
        return self.promised <= self.tolerance

    def _climb(self) -> Place | None:
        """A higher place along the estimated Newton direction, or failing that the gradient."""
        gradient = self.place.gradient
        if self.curvature.pairs:
            direction = self.curvature.times(gradient)
            if float(gradient @ direction) > 0 and np.isfinite(direction).all():
                found = search(self.objective, self.place, direction, 1.0)
                if found is not None:
                    return found
            self.curvature = Curvature.unknown(gradient.size)
        return search(self.objective, self.place, gradient, 1.0 / math.sqrt(gradient @ gradient))

    def _learn(self, found: Place) -> None:
        step = found.position - self.place.position
        change = self.place.gradient - found.gradient
        self.curvature = self.curvature.learn(step, change, self.pairs)
        self.place = found
