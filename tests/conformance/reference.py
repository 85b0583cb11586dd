"""Draws of ours beside a reference: z-scores of means, standard deviations and quantiles.

A z-score is the difference in units of its Monte Carlo error, ours and the reference's
together (Vehtari et al. 2021, with ArviZ's estimators). The error of a standard deviation
follows by the delta method from that of the mean of the squared deviations: they have an
effective sample size of their own, much below that of antithetic draws. Where both samplers
are right, z-scores behave like standard normals; `bound` says how large the largest may be.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats

QUANTILES = (0.05, 0.5, 0.95)
_AXES = {"chain_axis": 0, "draw_axis": 1}

Estimates = Mapping[str, tuple[float, float]]
"""Statistic -> its value and Monte Carlo standard error."""


def estimates(draws: np.ndarray) -> Estimates:
    """Mean, standard deviation and quantiles of draws (chain, draw), each with its error."""
    mean, sd = float(draws.mean()), float(draws.std(ddof=1))
    variance_error = float(array_stats.mcse((draws - mean) ** 2, method="mean", **_AXES))
    found = {
        "mean": (mean, float(array_stats.mcse(draws, method="mean", **_AXES))),
        "sd": (sd, variance_error / (2.0 * sd)),
    }
    for probability in QUANTILES:
        error = array_stats.mcse(draws, method="quantile", prob=probability, **_AXES)
        found[f"{probability:.0%}"] = (float(np.quantile(draws, probability)), float(error))
    return found


def moments(mean: float, mean_error: float, sd: float, sd_error: float) -> Estimates:
    """What a zoo model's `reference` says of a scalar."""
    return {"mean": (mean, mean_error), "sd": (sd, sd_error)}


@dataclass(frozen=True)
class Row:
    """One scalar: our estimates (of an element of `variable`) and the reference's."""

    parameter: str
    variable: str
    ours: Estimates
    reference: Estimates

    @property
    def z_scores(self) -> dict[str, float]:
        """By statistic, for those that the reference has."""
        return {name: _z_score(self.ours[name], self.reference[name]) for name in self.reference}


def _z_score(ours: tuple[float, float], reference: tuple[float, float]) -> float:
    difference, error = ours[0] - reference[0], math.hypot(ours[1], reference[1])
    return difference / error if error > 0.0 else math.copysign(math.inf, difference)


def compare(
    tree: xr.DataTree, reference: Mapping[str, Estimates], renamed: Mapping[str, str]
) -> list[Row]:
    """A row for every scalar of the reference; raises `KeyError` for one we do not have."""
    rows = []
    for parameter, known in reference.items():
        site, index = locate(parameter)
        name = renamed.get(site, site)
        if name not in tree["posterior"]:
            raise KeyError(f"The reference has {parameter!r}, our posterior no variable {name!r}.")
        place: Any = (..., *index)
        draws = tree["posterior"][name].to_numpy()[place]
        rows.append(Row(parameter, name, estimates(draws), known))
    return rows


def locate(parameter: str) -> tuple[str, tuple[int, ...]]:
    """Site and zero-based index of a scalar named as in Stan: `beta[2]` -> (`beta`, (1,))."""
    name, _, index = parameter.partition("[")
    return name, tuple(int(i) - 1 for i in re.findall(r"\d+", index))


def bound(comparisons: int, level: float) -> float:
    """Largest |z| of so many comparisons: two-sided, Bonferroni at the family-wise `level`."""
    return statistics.NormalDist().inv_cdf(1.0 - level / (2.0 * max(comparisons, 1)))
