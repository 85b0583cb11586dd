"""Simultaneous bands and exact tests for the empirical distribution of ranks.

A rank among L draws takes the values 0 ... L, each with probability 1 / (L + 1) when the draws
and the truth come from one distribution. Of N independent ranks the number below j is then
binomial for every j = 1 ... L, and the walk through these counts is a Markov chain, so that the
probability of staying between any two bounds is a sum, not a simulation. After Säilynoja,
Bürkner & Vehtari (2022), "Graphical test for discrete uniformity and its applications in
goodness-of-fit evaluation and multiple sample comparison", Statistics and Computing 32:32.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache

import numpy as np
from scipy.special import bdtr, gammaln

__all__ = ["band", "counts_below", "p_value", "staying_probability"]

_LEVELS = np.logspace(-12, 0, 97)  # pointwise levels between which joint ones are interpolated
_LEAST = 1e-300  # whose logarithm is still a number


def counts_below(ranks: np.ndarray, largest: int) -> np.ndarray:
    """How many of `ranks` (n,) lie below j, for j = 1 ... `largest`; shape (largest,)."""
    histogram = np.bincount(np.asarray(ranks, dtype=np.int64), minlength=largest + 1)
    return np.cumsum(histogram)[:largest]


def p_value(ranks: np.ndarray, largest: int) -> float:
    """Probability that uniform ranks stray as far as these anywhere; one test for all j.

    `ranks` (n,) are integers from 0 to `largest`. The statistic is the smallest two-sided
    binomial tail over all j; its distribution is exact up to interpolation between levels.
    """
    count = len(ranks)
    if count == 0:
        return 1.0
    below = counts_below(ranks, largest)
    smallest = float(_tails(count, largest)[np.arange(largest), below].min())
    above = int(np.clip(np.searchsorted(_LEVELS, smallest), 1, len(_LEVELS) - 1))
    ends = [above - 1, above]
    joint = np.log([_joint_level(count, largest, k) for k in ends])
    return float(np.exp(np.interp(np.log(smallest + _LEAST), np.log(_LEVELS[ends]), joint)))


def band(count: int, largest: int, probability: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Bounds (lower, upper), shape (largest,) each, for the counts below j = 1 ... `largest`.

    All counts of `count` uniform ranks lie within them with about this `probability`.
    """
    above = bisect_left(
        range(len(_LEVELS) - 1), 1 - probability, key=lambda k: _joint_level(count, largest, k)
    )
    ends = [max(above - 1, 0), above]
    joint = np.log([_joint_level(count, largest, k) for k in ends])
    level = np.exp(np.interp(np.log1p(-probability), joint, np.log(_LEVELS[ends])))
    return _inside(count, largest, float(level))


def staying_probability(lower: np.ndarray, upper: np.ndarray, count: int) -> float:
    """Probability that lower[j] <= the number of ranks below j + 1 <= upper[j], for all j.

    `lower` and `upper` have shape (L,); the `count` ranks are uniform on 0 ... L.
    """
    points = len(lower)
    log_factorial = gammaln(np.arange(count + 1) + 1.0)
    start, weights = 0, np.ones(1)  # the count before the first point is 0
    for j in range(points):
        # Of the ranks that are left, each falls below the next point with this probability.
        chance = 1.0 / (points + 1 - j)
        before = start + np.arange(len(weights))
        after = np.arange(int(lower[j]), int(upper[j]) + 1)
        if not len(after):
            return 0.0
        added = after[:, None] - before[None, :]
        left = count - before
        possible = (added >= 0) & (added <= left[None, :])
        k = np.where(possible, added, 0)
        log_probability = (
            log_factorial[left][None, :]
            - log_factorial[k]
            - log_factorial[np.where(possible, left[None, :] - k, 0)]
            + k * np.log(chance)
            + (left[None, :] - k) * np.log1p(-chance)
        )
        weights = np.exp(np.where(possible, log_probability, -np.inf)) @ weights
        start = int(lower[j])
    return float(weights.sum())


@lru_cache(maxsize=16)
def _tails(count: int, largest: int) -> np.ndarray:
    """Two-sided binomial tail of every count (largest, count + 1); row j - 1 is point j."""
    chance = (np.arange(1, largest + 1) / (largest + 1))[:, None]
    at_most = bdtr(np.arange(count + 1)[None, :], count, chance)
    below = np.concatenate([np.zeros((largest, 1)), at_most[:, :-1]], axis=1)
    return np.minimum(1.0, 2 * np.minimum(at_most, 1 - below))


def _inside(count: int, largest: int, level: float) -> tuple[np.ndarray, np.ndarray]:
    """First and last count at every point whose tail is above `level`."""
    above = _tails(count, largest) > level
    lower = above.argmax(axis=1)
    upper = above.shape[1] - 1 - above[:, ::-1].argmax(axis=1)
    empty = ~above.any(axis=1)
    return np.where(empty, 1, lower), np.where(empty, 0, upper)


@lru_cache(maxsize=1024)
def _joint_level(count: int, largest: int, k: int) -> float:
    """The probability that some tail is at or below the pointwise level number `k`."""
    stays = staying_probability(*_inside(count, largest, float(_LEVELS[k])), count)
    return max(1 - stays, _LEAST)
