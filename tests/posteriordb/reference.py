"""Draws of ours beside the reference draws: z-scores of means and standard deviations.

A z-score is the difference in units of its Monte Carlo error, ours and the reference's
together (Vehtari et al. 2021, with ArviZ's estimators). The error of a standard deviation
follows by the delta method from that of the mean of the squared deviations: they have an
effective sample size of their own, much below that of antithetic draws. Where both samplers
are right, z-scores behave like standard normals.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from arviz_stats.base import array_stats

from tests.posteriordb.posteriors import locate
from tests.reference_data import reference_data

_AXES = {"chain_axis": 0, "draw_axis": 1}


@dataclass(frozen=True)
class Row:
    """One scalar parameter: ours, the reference's, and how far apart they are."""

    parameter: str
    mean: float
    reference_mean: float
    z_mean: float
    sd: float
    reference_sd: float
    z_sd: float
    rhat: float
    ess_bulk: float


def reference_draws(name: str) -> dict[str, np.ndarray]:
    """Reference draws (10 chains, 1000 draws) of every scalar, under its name in Stan."""
    path = reference_data("posteriordb", "with_reference", name, "reference_draws.npz")
    with np.load(path) as archive:
        return {key: archive[key] for key in archive.files}


def compare_with_reference(tree: xr.DataTree, name: str) -> list[Row]:
    """A row for every scalar that the posterior `name` has reference draws of."""
    return [
        _row(parameter, _ours(tree, parameter), reference)
        for parameter, reference in reference_draws(name).items()
    ]


def _ours(tree: xr.DataTree, parameter: str) -> np.ndarray:
    site, index = locate(parameter)
    return tree["posterior"][site].to_numpy()[(..., *index)]


def _row(parameter: str, ours: np.ndarray, reference: np.ndarray) -> Row:
    mean, error, sd, sd_error = _summary(ours)
    their_mean, their_error, their_sd, their_sd_error = _summary(reference)
    return Row(
        parameter=parameter,
        mean=mean,
        reference_mean=their_mean,
        z_mean=(mean - their_mean) / float(np.hypot(error, their_error)),
        sd=sd,
        reference_sd=their_sd,
        z_sd=(sd - their_sd) / float(np.hypot(sd_error, their_sd_error)),
        rhat=float(array_stats.rhat(ours, **_AXES)),
        ess_bulk=float(array_stats.ess(ours, method="bulk", **_AXES)),
    )


def _summary(draws: np.ndarray) -> tuple[float, float, float, float]:
    """Mean and sd, each followed by its Monte Carlo standard error."""
    mean, sd = float(draws.mean()), float(draws.std(ddof=1))
    error = float(array_stats.mcse(draws, method="mean", **_AXES))
    error_of_variance = float(array_stats.mcse((draws - mean) ** 2, method="mean", **_AXES))
    return mean, error, sd, error_of_variance / (2.0 * sd)
