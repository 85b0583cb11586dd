"""The curvature of a log density at a point, by central differences of its gradient.

Every coordinate is moved by a thousandth of its own standard deviation there, which is found
from the differences themselves: truncation and rounding then both stay near 1e-7 of the whole.
"""

from __future__ import annotations

import numpy as np

from probgen.inference.optimise.objective import Objective

__all__ = ["precision_at"]

_SHARE = 1e-3
_TRIES = 4


def precision_at(objective: Objective, position: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The negative Hessian (dim, dim), symmetric, at `position`.

    `scale` (dim,) is a first guess at the standard deviations. Entries are NaN where the
    gradient is not finite around `position`.
    """
    columns = [_column(objective, position, i, float(scale[i])) for i in range(position.size)]
    precision = np.array(columns)
    return 0.5 * (precision + precision.T)


def _column(objective: Objective, position: np.ndarray, i: int, scale: float) -> np.ndarray:
    column = np.full(position.size, np.nan)
    for _ in range(_TRIES):
        move = np.zeros(position.size)
        move[i] = _SHARE * scale
        above, below = position + move, position - move
        width = above[i] - below[i]
        if width == 0:
            break
        column = (objective(below).gradient - objective(above).gradient) / width
        curvature = abs(float(column[i]))
        if not curvature > 0 or not np.isfinite(curvature):
            break
        found = curvature**-0.5
        if 0.1 < found / scale < 10:
            break
        scale = min(max(found, 1e-3 * scale), 1e3 * scale)
    return column
