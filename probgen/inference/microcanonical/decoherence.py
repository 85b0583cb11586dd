"""How many draws of a chain's recent past make an independent one."""

from __future__ import annotations

import numpy as np

__all__ = ["autocorrelation_time"]


def autocorrelation_time(positions: np.ndarray) -> float:
    """Integrated autocorrelation time of `positions` (draw, dim), in draws, at least one.

    The mean over coordinates of 1 + 2 sum of autocorrelations, cut off by Geyer's (1992)
    initial positive sequence; the twin of `native/decoherence.hpp`.
    """
    return float(np.mean([_of_series(series) for series in positions.T]))


def _of_series(series: np.ndarray) -> float:
    deviations = series - series.mean()
    products = np.correlate(deviations, deviations, "full")[len(series) - 1 :]
    if not products[0] > 0:
        return 1.0
    pairs = products[: len(series) // 2 * 2].reshape(-1, 2).sum(axis=1) / products[0]
    ends = np.flatnonzero(~(pairs > 0))
    kept = pairs[: ends[0]] if ends.size else pairs
    return max(2 * float(kept.sum()) - 1, 1.0)
