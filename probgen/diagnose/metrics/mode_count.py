"""How many of the known modes of a mixture are found, and how much of a sample lies near one.

Source: Srivastava et al. (2017), VEEGAN: a row is of high quality within three standard deviations
of its nearest mode; a mode is found where a row of high quality is nearest to it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from probgen.diagnose.metrics.distances import blocks, squared_distances
from probgen.diagnose.metrics.features import featured
from probgen.diagnose.metrics.score import Score, score
from probgen.diagnose.metrics.settings import check_positive, check_whole
from probgen.errors import DataError

__all__ = ["ModeCount", "mode_count"]


class ModeCount(NamedTuple):
    """Modes found, and the share of rows near one."""

    modes: Score
    high_quality: Score

    def __str__(self) -> str:
        return f"{self.modes}\n{self.high_quality}"


def mode_count(fake: Any, centres: Any, sd: float, sds: float = 3.0, least: int = 1) -> ModeCount:
    """Count modes of `fake`, (row, dimension), among `centres`, (mode, dimension).

    Args:
        fake: rows.
        centres: of the modes.
        sd: standard deviation of a mode, per dimension.
        sds: within how many of them a row is near.
        least: rows near a mode for it to count as found.

    Raises `DataError` for fewer than 20 rows per mode, at which a mode can be missed by chance.
    """
    check_positive(sd=sd, sds=sds)
    check_whole(1, least=least)
    x, middles = featured(fake, side="fake"), featured(centres, side="centres")
    if x.values.shape[1] != middles.values.shape[1]:
        raise DataError(
            f"fake has {x.values.shape[1]} dimensions and centres have {middles.values.shape[1]}."
        )
    if len(x) < 20 * len(middles):
        raise DataError(
            f"fake has {len(x)} rows for {len(middles)} modes; {20 * len(middles)} are the least."
        )
    near, hits = 0, np.zeros(len(middles), int)
    for rows in blocks(len(x), len(middles)):
        distances = squared_distances(x.values[rows], middles.values)
        is_near = distances.min(axis=1) <= (sds * sd) ** 2
        hits += np.bincount(distances.argmin(axis=1)[is_near], minlength=len(middles))
        near += int(is_near.sum())
    share = near / len(x)
    error = ((share * (1 - share) / len(x)) ** 0.5, "binomial s.e.")
    settings = {"of": len(middles), "sd": sd, "sds": sds, "least": least}
    return ModeCount(
        score("modes", (hits >= least).sum(), "higher", None, x, settings),
        score("high-quality share", share, "higher", None, x, settings, error=error),
    )
