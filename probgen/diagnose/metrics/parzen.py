"""Parzen window estimate of the log-likelihood, kept to read old tables with and for nothing else.

In more than a few dimensions it says little about the likelihood and ranks generators wrongly;
a k-means of the training rows can beat the true law (Theis, van den Oord and Bethge 2016).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import logsumexp

from probgen.diagnose.metrics.distances import blocks, squared_distances
from probgen.diagnose.metrics.features import both
from probgen.diagnose.metrics.score import Score, score
from probgen.diagnose.metrics.settings import check_positive

__all__ = ["parzen"]

_WIDTHS = np.logspace(-1.5, 0.5, 13)


def parzen(real: Any, fake: Any, width: float | None = None) -> Score:
    """Mean log density of real rows under normal laws of sd `width` around fake ones, in nats.

    A relic: see the head of the file. Without a width the best of 13, from 0.03 to 3, for every
    other real row is taken, and the rows between these are judged. Raises `DataError` for fewer
    than 20 rows.
    """
    if width is not None:
        check_positive(width=width)
    x, y = both(real, fake, None, "Parzen", least=20)
    judged = x.values
    if width is None:
        width = float(max(_WIDTHS, key=lambda w: _log_density(x.values[::2], y.values, w).mean()))
        judged = x.values[1::2]
    found = _log_density(judged, y.values, width)
    error = (found.std(ddof=1) / len(found) ** 0.5, "s.e. over real rows")
    name = "Parzen window log-likelihood (a relic, not to be trusted)"
    return score(name, found.mean(), "higher", x, y, {"width": round(width, 6)}, error=error)


def _log_density(x: np.ndarray, centres: np.ndarray, width: float) -> np.ndarray:
    found = np.empty(len(x))
    for rows in blocks(len(x), len(centres)):
        exponents = squared_distances(x[rows], centres) / (-2 * width**2)
        found[rows] = logsumexp(exponents, axis=1)
    constant = np.log(len(centres)) + x.shape[1] * np.log(width * np.sqrt(2 * np.pi))
    return found - constant
