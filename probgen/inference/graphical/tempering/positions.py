"""Where the levels of a ladder should stand: every neighbour equally often refused.

The rejection rates between neighbours add up to the communication barrier of the path, however
many levels there are; levels at equal shares of it make the most round trips (Syed, Bouchard-
Cote, Deligiannidis & Doucet 2022).
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["FIXED_SCHEDULES", "expected_round_trips", "fixed_positions", "levels_for", "respaced"]

FIXED_SCHEDULES = ("linear", "sigmoid", "three-part")

_THREE_PARTS = ((0.0, 0.0), (0.5, 500 / 14_500), (0.9, 4500 / 14_500), (1.0, 1.0))
"""Positions, and the shares of all steps made before them (Salakhutdinov & Murray 2008)."""


def fixed_positions(schedule: str, steps: int) -> np.ndarray:
    """`steps` + 1 positions from 0 to 1 by one of `FIXED_SCHEDULES`, found without a pilot."""
    even = np.linspace(0, 1, steps + 1)
    if schedule == "sigmoid":
        steep = 1 / (1 + np.exp(-4 * (2 * even - 1)))
        return (steep - steep[0]) / (steep[-1] - steep[0])
    if schedule == "three-part":
        corners, shares = zip(*_THREE_PARTS, strict=True)
        return np.interp(even, shares, corners)
    return even


def respaced(positions: np.ndarray, rejections: np.ndarray, levels: int) -> np.ndarray:
    """`levels` positions from 0 to 1 with equal shares of the barrier between them.

    rejections: mean rejection rates between neighbouring `positions`, (len - 1,).
    """
    # Nothing is known of a pair that never swaps beyond its being far; no step may vanish.
    share = np.maximum(rejections, 1e-3)
    along = np.concatenate([[0.0], np.cumsum(share)])
    wanted = np.linspace(0, along[-1], levels)
    found = np.interp(wanted, along, positions)
    found[0], found[-1] = 0.0, 1.0
    return np.maximum.accumulate(found)


def levels_for(barrier: float, target_swap: float, most: int) -> int:
    """Levels with which the swap rate between neighbours is about `target_swap`."""
    return int(np.clip(math.ceil(barrier / (1 - target_swap)) + 1, 2, most))


def expected_round_trips(rejections: np.ndarray, iterations: int) -> float:
    """Round trips that one ladder can make at best in so many iterations, all replicas together.

    The rate 1 / (2 + 2 sum r / (1 - r)) of the non-reversible scheme (Syed et al. 2022).
    """
    kept = np.minimum(rejections, 1 - 1e-12)
    return iterations / (2 + 2 * float((kept / (1 - kept)).sum()))
