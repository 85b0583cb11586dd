"""How far to go along a direction in which a log density rises: the strong Wolfe conditions.

A bracket between a step that is good but too short and one that is too long is narrowed by cubic
interpolation (Nocedal & Wright 2006, sections 3.4 and 3.5). Steps that end where the density is
not finite are too long. Close to a maximum differences of values are noise, and the slopes
decide alone, as in the approximate conditions of Hager & Zhang (2005).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from probgen.inference.optimise.objective import Objective, Place

__all__ = ["search"]

SUFFICIENT, CURVATURE = 1e-4, 0.9
MOST_TRIES = 40
WIDEN = 4.0


@dataclass(frozen=True)
class _Trial:
    step: float
    value: float
    slope: float


def search(
    objective: Objective, start: Place, direction: np.ndarray, first: float
) -> Place | None:
    """A place along `direction` that satisfies the Wolfe conditions, trying the step `first`.

    Where they cannot be met, the best place found; None if there is none above `start`.
    """
    slope = float(start.gradient @ direction)
    noise = objective.noise * max(1.0, abs(start.value))
    low, high = _Trial(0.0, start.value, slope), None
    best, step = None, first
    for _ in range(MOST_TRIES):
        place = objective(start.position + step * direction)
        trial = _Trial(step, place.value, float(place.gradient @ direction))
        gain = trial.value - start.value
        if not place.finite or gain < SUFFICIENT * step * slope - noise:
            high = trial
        elif abs(trial.slope) <= CURVATURE * slope:
            return place
        elif trial.slope < 0:
            high = trial
            best = best if best and best.value > place.value else place
        else:
            low, best = trial, place
        step = _between(low, high) if high else WIDEN * low.step
        if high and high.step - low.step <= 1e-15 * high.step:
            break
    return best if best and best.value > start.value else None


def _between(low: _Trial, high: _Trial) -> float:
    """The maximum of the cubic through both ends, kept off them; else a point near the low end."""
    width = high.step - low.step
    if not (math.isfinite(high.value) and math.isfinite(high.slope)):
        return low.step + 0.2 * width
    mean = low.slope + high.slope - 3 * (high.value - low.value) / width
    square = mean * mean - low.slope * high.slope
    if not square >= 0:
        return low.step + 0.5 * width
    root = math.sqrt(square)
    bottom = low.slope - high.slope + 2 * root
    share = (low.slope - mean + root) / bottom if bottom else 0.5
    return low.step + min(max(share, 0.05), 0.95) * width
