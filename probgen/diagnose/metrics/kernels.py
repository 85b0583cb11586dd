"""Kernel distances of features: KID, MMD with a Gaussian kernel, energy distance.

All three are unbiased, so of two samples of one law they scatter around zero and may be negative.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from probgen.diagnose.metrics.distances import median_squared_distance, squared_distances
from probgen.diagnose.metrics.features import Extractor, both
from probgen.diagnose.metrics.permutation import permuted, unbiased
from probgen.diagnose.metrics.score import Score, score
from probgen.diagnose.metrics.settings import check_positive, check_seed, check_whole
from probgen.errors import OptionError

__all__ = ["energy_distance", "kid", "mmd"]

_LARGEST = 1000  # rows of a subset, as in the field's tables
_BLOCKS = 4  # disjoint subsets at least, for an error
_FOR_MEDIAN = 1000


def kid(
    real: Any,
    fake: Any,
    extractor: Extractor | None = None,
    subsets: int = 100,
    size: int | None = None,
    seed: int = 0,
) -> Score:
    """Kernel inception distance: mean MMD^2 over subsets, k(x, y) = (x'y / d + 1)^3.

    Source: Bińkowski et al. (2018).

    Args:
        real, fake, extractor: as of `fid`; few rows will do.
        subsets: how many, dealt in rounds: those of a round share no row.
        size: rows of a subset; None: 1000, or a fourth of the rows of the shorter side.
        seed: of the dealing.

    The error is the standard error by the scatter of subsets within rounds; None where a round
    has one subset only. Raises `DataError` for fewer than 20 rows.
    """
    check_seed(seed)
    check_whole(1, subsets=subsets)
    if size is not None:
        check_whole(2, size=size)
    x, y = both(real, fake, extractor, "KID", least=20)
    least, width = min(len(x), len(y)), x.values.shape[1]
    size = min(_LARGEST, least // _BLOCKS) if size is None else size
    if size > least:
        raise OptionError(f"size={size}: no more than the {least} rows of the shorter side.")

    def kernel(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        found = one @ other.T
        found /= width
        found += 1.0
        return found * found * found

    rng, a_round = np.random.default_rng(seed), min(least // size, subsets)
    rounds = -(-subsets // a_round)
    found = np.empty((rounds, a_round))
    for row in found:
        of_x, of_y = rng.permutation(len(x)), rng.permutation(len(y))
        for i in range(a_round):
            part = slice(i * size, (i + 1) * size)
            row[i] = unbiased(kernel, x.values[of_x[part]], y.values[of_y[part]])
    error = None
    if a_round > 1:
        spread = float(np.sqrt(found.var(axis=1, ddof=1).mean() / a_round))
        error = (spread, f"s.e., {a_round} disjoint subsets")
    settings = {"subsets": found.size, "size": size, "seed": seed}
    return score("KID", found.mean(), "lower", x, y, settings, error=error)


def mmd(
    real: Any,
    fake: Any,
    extractor: Extractor | None = None,
    width: float | None = None,
    permutations: int = 200,
    seed: int = 0,
) -> Score:
    """Squared maximum mean discrepancy, k(x, y) = exp(-|x - y|^2 / (2 width^2)), with a p-value.

    Args:
        real, fake, extractor: as of `fid`; few rows will do.
        width: of the kernel; None takes the median distance of real rows over the root of two.
        permutations: deals of the rows behind the p-value; 0 for none.
        seed: of these.

    Raises `DataError` for fewer than 5 rows, `OptionError` for a width that is not positive.
    """
    check_seed(seed)
    check_whole(0, permutations=permutations)
    if width is not None:
        check_positive(width=width)
    x, y = both(real, fake, extractor, "MMD", least=5)
    if width is None:
        rng = np.random.default_rng(seed)
        some = x.values[rng.permutation(len(x))[:_FOR_MEDIAN]]
        width = (median_squared_distance(some) / 2) ** 0.5
    scale = -1 / (2 * width**2)

    def kernel(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        found = squared_distances(one, other)
        found *= scale
        return np.exp(found, out=found)

    value, p = permuted(kernel, x.values, y.values, 1.0, permutations, seed)
    settings = {"width": round(width, 6), "permutations": permutations, "seed": seed}
    return score("MMD²", value, "lower", x, y, settings, p_value=p)


def energy_distance(
    real: Any,
    fake: Any,
    extractor: Extractor | None = None,
    permutations: int = 200,
    seed: int = 0,
) -> Score:
    """Energy distance 2 E|x - y| - E|x - x'| - E|y - y'|, in units of the data, with a p-value.

    Arguments and errors as of `mmd`.
    """
    check_seed(seed)
    check_whole(0, permutations=permutations)
    x, y = both(real, fake, extractor, "energy distance", least=5)
    centre = x.values.mean(axis=0)

    def kernel(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        found = squared_distances(one - centre, other - centre)
        np.sqrt(found, out=found)
        return np.negative(found, out=found)

    value, p = permuted(kernel, x.values, y.values, 0.0, permutations, seed)
    settings = {"permutations": permutations, "seed": seed}
    return score("energy distance", value, "lower", x, y, settings, p_value=p)
