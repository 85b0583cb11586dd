"""Sliced Wasserstein distance: the mean over directions of distances along a line.

Source: Rabin, Peyré, Delon and Bernot (2012). Along a line the 1-Wasserstein distance is the mean
distance of sorted values. It lies above zero even between two samples of one law.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from probgen.diagnose.metrics.features import Extractor, both
from probgen.diagnose.metrics.score import Score, score
from probgen.diagnose.metrics.settings import check_seed, check_whole

__all__ = ["along_directions", "sliced_wasserstein"]

_AT_A_TIME = 64  # directions


def sliced_wasserstein(
    real: Any,
    fake: Any,
    extractor: Extractor | None = None,
    directions: int = 256,
    seed: int = 0,
) -> Score:
    """Mean 1-Wasserstein distance along random directions, in units of the features.

    Arguments as of `fid`; `directions` are drawn with `seed`. Raises `DataError` for fewer than
    5 rows.
    """
    check_seed(seed)
    check_whole(2, directions=directions)
    x, y = both(real, fake, extractor, "sliced Wasserstein", least=5)
    found = along_directions(x.values, y.values, directions, seed)
    error = (found.std(ddof=1) / directions**0.5, "s.e. over directions")
    settings = {"directions": directions, "seed": seed}
    return score("sliced Wasserstein", found.mean(), "lower", x, y, settings, error=error)


def along_directions(x: np.ndarray, y: np.ndarray, directions: int, seed: int) -> np.ndarray:
    """1-Wasserstein distances of rows along random directions, (direction,)."""
    lines = np.random.default_rng(seed).standard_normal((x.shape[1], directions))
    lines /= np.linalg.norm(lines, axis=0)
    count = min(len(x), len(y))
    found = []
    for start in range(0, directions, _AT_A_TIME):
        some = lines[:, start : start + _AT_A_TIME]
        # the longer side at as many evenly spaced ranks as the shorter has rows
        first, second = (
            np.sort(side @ some, axis=0)[
                ((np.arange(count) + 0.5) * len(side) / count).astype(int)
            ]
            for side in (x, y)
        )
        found.append(np.abs(first - second).mean(axis=0))
    return np.concatenate(found)
