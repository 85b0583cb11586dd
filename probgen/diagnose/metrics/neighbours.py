"""Metrics of nearest neighbours: does a case lie where cases of the other side lie?

The balls around the rows of a side, each as wide as the distance to its k-th nearest neighbour,
stand for where its law has mass. Precision: share of fake rows in a ball of a real one; recall:
share of real rows in a ball of a fake one (Kynkäänniemi et al. 2019). Density: mean number of
real balls that a fake row lies in, over k; coverage: share of real balls that hold a fake row
(Naeem et al. 2020; robust to outliers, where precision and recall are not).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from probgen.diagnose.metrics.distances import blocks, kth_nearest, squared_distances
from probgen.diagnose.metrics.features import Extractor, both
from probgen.diagnose.metrics.score import Score, score
from probgen.diagnose.metrics.settings import check_whole

__all__ = ["DensityCoverage", "PrecisionRecall", "density_coverage", "precision_recall"]

_SHARE = "binomial s.e., balls fixed"
_MEAN = "s.e. over fake rows, balls fixed"
_ROUNDING = 1e-12  # of a squared distance, by the size of the rows: identical rows are at zero


class PrecisionRecall(NamedTuple):
    """How much of fake is like real, and how much of real is like fake."""

    precision: Score
    recall: Score

    def __str__(self) -> str:
        return f"{self.precision}\n{self.recall}"


class DensityCoverage(NamedTuple):
    """How deep in real fake lies (1 for equal laws), and how much of real it reaches."""

    density: Score
    coverage: Score

    def __str__(self) -> str:
        return f"{self.density}\n{self.coverage}"


def precision_recall(
    real: Any, fake: Any, extractor: Extractor | None = None, k: int = 3
) -> PrecisionRecall:
    """Improved precision and recall, each between 0 and 1.

    Raises `DataError` for fewer than k + 2 rows on a side.
    """
    x, y, centred = _prepared(real, fake, extractor, k, "precision")
    around_real, around_fake = kth_nearest(centred[0], k), kth_nearest(centred[1], k)
    precise, recalled = np.zeros(len(y), bool), np.zeros(len(x), bool)
    for rows, distances, slack in _crossed(*centred):
        precise[rows] = (distances <= around_real[None] + slack).any(axis=1)
        recalled |= (distances <= around_fake[rows, None] + slack).any(axis=0)
    return PrecisionRecall(
        score("precision", precise.mean(), "higher", x, y, {"k": k}, error=_of_share(precise)),
        score("recall", recalled.mean(), "higher", x, y, {"k": k}, error=_of_share(recalled)),
    )


def density_coverage(
    real: Any, fake: Any, extractor: Extractor | None = None, k: int = 5
) -> DensityCoverage:
    """Density, 0 or more, and coverage, between 0 and 1 (1 - 2^-k or so for equal laws).

    Raises `DataError` for fewer than k + 2 rows on a side.
    """
    x, y, centred = _prepared(real, fake, extractor, k, "density")
    around_real = kth_nearest(centred[0], k)
    balls, covered = np.zeros(len(y)), np.zeros(len(x), bool)
    for rows, distances, slack in _crossed(*centred):
        inside = distances <= around_real[None] + slack
        balls[rows] = inside.sum(axis=1)
        covered |= inside.any(axis=0)
    error = (balls.std(ddof=1) / k / len(y) ** 0.5, _MEAN)
    return DensityCoverage(
        score("density", balls.mean() / k, "higher", x, y, {"k": k}, error=error),
        score("coverage", covered.mean(), "higher", x, y, {"k": k}, error=_of_share(covered)),
    )


def _prepared(real: Any, fake: Any, extractor: Extractor | None, k: int, metric: str) -> Any:
    check_whole(1, k=k)
    x, y = both(real, fake, extractor, metric, least=k + 2)
    centre = x.values.mean(axis=0)  # distances of rows far from the origin would lose digits
    return x, y, (x.values - centre, y.values - centre)


def _crossed(x: np.ndarray, y: np.ndarray) -> Any:
    """Rows of y, their squared distances to all of x, and what rounding may make of these."""
    slack = _ROUNDING * max(np.square(x).sum(axis=1).max(), np.square(y).sum(axis=1).max())
    for rows in blocks(len(y), len(x)):
        yield rows, squared_distances(y[rows], x), slack


def _of_share(hits: np.ndarray) -> tuple[float, str]:
    share = hits.mean()
    return float((share * (1 - share) / len(hits)) ** 0.5), _SHARE
