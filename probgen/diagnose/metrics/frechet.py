"""Fréchet distance of features, FID, and what it would be with infinitely many rows.

FID = |m - m'|^2 + tr(S + S' - 2 (S S')^(1/2)) of the means and covariances of features (Heusel et
al. 2017): the squared 2-Wasserstein distance of normal laws with these moments. Estimated of N
rows it lies too high by a term in 1/N that depends on the generator, so scores at different N do
not compare, and `fid_infinity` extrapolates it away (Chong and Forsyth 2020).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from scipy import linalg

from probgen.diagnose.metrics.features import Extractor, Features, both, check_least
from probgen.diagnose.metrics.score import Score, score
from probgen.diagnose.metrics.settings import check_seed, check_whole
from probgen.errors import DataError, OptionError

__all__ = ["fid", "fid_infinity", "frechet_distance"]

_CHEAP = {"FID": 512, "FID∞": 64}  # features up to which the jackknife takes seconds
_GROUPS = 10


def fid(
    real: Any, fake: Any, extractor: Extractor | None = None, groups: int | None = None
) -> Score:
    """Fréchet distance of the features of `real` and `fake`, in float64.

    Args:
        real, fake: cases (row, ...), or `Features`; more rows than features are needed, or the
            covariance is singular.
        extractor: makes features of cases; None compares values as they are.
        groups: of rows to leave out in turn for the standard error (jackknife); 0 for none. None:
            10, but none for more than 512 features, where it takes minutes.

    Raises `DataError` for too few rows.
    """
    _check_groups(groups)
    x, y = _enough(both(real, fake, extractor, "FID"), 1, "FID")

    def distance(first: np.ndarray, second: np.ndarray) -> float:
        return frechet_distance(x.values[first], y.values[second])

    value = distance(np.arange(len(x)), np.arange(len(y)))
    error = _jackknife(distance, x, y, groups, "FID")
    return score("FID", value, "lower", x, y, error=error)


def fid_infinity(
    real: Any,
    fake: Any,
    extractor: Extractor | None = None,
    parts: int = 5,
    sides: Literal["both", "fake"] = "both",
    groups: int | None = None,
    seed: int = 0,
) -> Score:
    """FID of infinitely many rows: where a line through FIDs of N rows in 1/N meets 1/N = 0.

    The line goes through the FID of all rows, the mean FID of halves, of thirds, and so on.

    Args:
        real, fake, extractor, groups: as of `fid` (the jackknife up to 64 features).
        parts: into how many the rows are split at most; fewer where a part would not have two
            rows per feature.
        sides: which are split: "both" takes the bias of the real rows away, too; "fake" is as in
            the paper, for one large real side.
        seed: of which row falls into which part.

    Raises `DataError` for fewer than 4 rows per feature, `OptionError` for fewer than 2 parts.
    """
    check_seed(seed)
    check_whole(2, parts=parts)
    _check_groups(groups)
    if sides not in ("both", "fake"):
        raise OptionError(f'sides={sides!r}: "both" or "fake".')
    x, y = _enough(both(real, fake, extractor, "FID∞"), 4, "FID∞")
    rng = np.random.default_rng(seed)
    # a row keeps its place when others are left out, so that the jackknife sees one line
    places = [rng.permutation(len(side)) / len(side) for side in (x, y)]
    least = len(y) if sides == "fake" else min(len(x), len(y))
    levels = np.arange(1, min(parts, least // (2 * x.values.shape[1])) + 1)

    def extrapolated(first: np.ndarray, second: np.ndarray) -> float:
        whole = _moments(x.values[first])
        found = []
        for level in levels:
            of_first, of_second = (
                [rows[np.floor(place[rows] * level) == part] for part in range(level)]
                for rows, place in zip((first, second), places, strict=True)
            )
            split = [_moments(x.values[rows]) for rows in of_first] if sides == "both" else None
            found.append(
                np.mean(
                    [
                        _distance(split[part] if split else whole, _moments(y.values[rows]))
                        for part, rows in enumerate(of_second)
                    ]
                )
            )
        return float(np.polyfit(levels, found, 1)[1])

    value = extrapolated(np.arange(len(x)), np.arange(len(y)))
    error = _jackknife(extrapolated, x, y, groups, "FID∞")
    settings = {"parts": len(levels), "sides": sides, "seed": seed}
    return score("FID∞", value, "lower", x, y, settings, error=error)


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Fréchet distance of normal laws with the moments of rows."""
    return _distance(_moments(x), _moments(y))


_Moments = tuple[np.ndarray, np.ndarray]


def _moments(x: np.ndarray) -> _Moments:
    """The mean, and a root F of the covariance, F F' = S."""
    variances, axes = linalg.eigh(np.atleast_2d(np.cov(x, rowvar=False)))
    return x.mean(axis=0), axes * np.sqrt(np.maximum(variances, 0.0))


def _distance(first: _Moments, second: _Moments) -> float:
    (m, f), (n, g) = first, second
    # tr (S S')^(1/2) is the sum of the singular values of F'G: a matrix root of S S' would lose
    # half of the digits where features are nearly dependent.
    both_roots = linalg.svdvals(f.T @ g).sum()
    return float(((m - n) ** 2).sum() + (f**2).sum() + (g**2).sum() - 2 * both_roots)


def _check_groups(groups: Any) -> None:
    if groups is None:
        return
    check_whole(0, groups=groups)
    if groups == 1:
        raise OptionError("groups=1: 0, or 2 and more.")


def _jackknife(
    statistic: Callable[[np.ndarray, np.ndarray], float],
    x: Features,
    y: Features,
    groups: int | None,
    metric: str,
) -> tuple[float, str] | None:
    """The standard error of a statistic of rows by leaving out groups of both sides in turn."""
    if groups is None:
        groups = _GROUPS if x.values.shape[1] <= _CHEAP[metric] else 0
    if groups == 0:
        return None
    if groups > (least := min(len(x), len(y))):
        raise OptionError(f"groups={groups}: no more than the {least} rows of the shorter side.")
    rng = np.random.default_rng(0)
    of_x, of_y = (rng.permutation(len(side)) % groups for side in (x, y))
    found = [
        statistic(np.flatnonzero(of_x != g), np.flatnonzero(of_y != g)) for g in range(groups)
    ]
    return float(((groups - 1) * np.var(found)) ** 0.5), f"s.e., jackknife of {groups} groups"


def _enough(sides: tuple[Features, Features], times: int, metric: str) -> Any:
    width = sides[0].values.shape[1]
    for side, found in zip(("real", "fake"), sides, strict=True):
        rows = len(found)
        if rows <= width:
            raise DataError(
                f"{metric}: {side} has {rows} rows of {width} features, so its covariance is of "
                f"rank {max(rows - 1, 0)} at most; give more than {times * width} rows, take an "
                "extractor with fewer features, or KID."
            )
        check_least(rows, times * width, f"{metric}: {side} ({width} features)")
    return sides
