"""Importance ratios of an approximation: how good it is, and draws corrected by them.

Pareto-smoothed importance sampling of Vehtari, Simpson, Gelman, Yao & Gabry (2024, JMLR 25): the
shape k of the ratios' upper tail says whether they can be trusted (below 0.7 they can).
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["TRUSTED", "log_mean", "notes_on_k", "smoothed", "weighted_rows"]

TRUSTED = 0.7
EVEN = 1.0
"""Log ratios that exceed the log of their mean by less have no tail to speak of: a Pareto fit to
it would measure the shape of nothing."""
_FEWEST = 25


def smoothed(log_ratios: np.ndarray) -> tuple[np.ndarray, float]:
    """Normalised, smoothed weights of log ratios (n,), and Pareto k.

    k is 0 when no ratio exceeds e times their mean, NaN for fewer than 25 ratios, infinite when
    none is finite.
    """
    from arviz_stats.base import array_stats  # SciPy behind it takes a second to import

    finite = np.isfinite(log_ratios)
    if not finite.any():
        return np.full(log_ratios.shape, 1 / log_ratios.size), math.inf
    shifted = np.where(finite, log_ratios - log_ratios[finite].max(), -np.inf)
    weights, k = np.exp(shifted), math.nan
    if log_ratios.size >= _FEWEST:
        kept = shifted[finite]
        if kept.max() - log_mean(shifted) < EVEN:
            k = 0.0
        else:
            try:
                log_weights, k = array_stats.psislw(-kept)
            except ValueError:  # ratios of states: the largest come up so often that none is rare
                return weights / weights.sum(), 0.0
            weights[finite] = np.exp(log_weights)
    return weights / weights.sum(), float(k)


def weighted_rows(weights: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` row numbers drawn with `weights`, by systematic resampling, in random order.

    Every row comes up n w times, rounded up or down: no draw is repeated without need. The rows
    are shuffled before, too: weights with a period would resonate with the even spacing.
    """
    order = rng.permutation(weights.size)
    edges = np.cumsum(weights[order])
    points = (rng.random() + np.arange(count)) / max(count, 1) * edges[-1]
    chosen = np.minimum(np.searchsorted(edges, points), weights.size - 1)
    return order[rng.permutation(chosen)]


def log_mean(log_ratios: np.ndarray) -> float:
    """Logarithm of the mean of the ratios: an estimate of the log evidence (nats)."""
    return float(np.logaddexp.reduce(log_ratios) - math.log(log_ratios.size))


def notes_on_k(k: float, method: str) -> list[str]:
    """What a Pareto k says about an approximation, for the user."""
    if math.isnan(k) or k <= TRUSTED:
        return []
    return [
        f"Pareto k of the importance ratios is {k:.2f}, above {TRUSTED}: the approximation of "
        f"{method} misses part of the posterior, so means and intervals from it cannot be "
        "trusted. Sample with NUTS() (init='pathfinder' starts it from here)."
    ]
