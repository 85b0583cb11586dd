"""How a run predicts its data: pictures of predictive draws, and leave-one-out, where there are.

Pictures are made by arviz-plots; large data are thinned evenly, so that the report stays small
and quick.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from probgen.diagnose.report.closeups import figure_of
from probgen.diagnose.report.loo import Loo, khat_picture, loo_of
from probgen.diagnose.report.pictures import Picture, drawn
from probgen.diagnose.report.runs import Run
from probgen.diagnose.words import count_of, quoted

__all__ = ["Predictive", "predictive_of"]

MOST_OBSERVATIONS = 2000
FEWEST_TRANSFORMS = 5
"""Of fewer observations a distribution function says nothing."""
LARGEST_COUNT = 2.0**53
MOST_SITES = 3
MOST_DRAWS = 250
"""Predictive draws per chain that the pictures use."""


@dataclass(frozen=True)
class Predictive:
    """Pictures and numbers on how the model predicts, and sentences on what is missing."""

    pictures: list[Picture] = field(default_factory=list)
    loo: list[Loo] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def predictive_of(run: Run) -> Predictive:
    """Everything that can be said of a run's predictions."""
    pictures: list[Picture] = []
    remarks: list[str] = []
    if not run.has("posterior_predictive", "observed_data"):
        remarks.append(
            "No posterior predictive check: the result has no posterior_predictive group with "
            "observed data. `pg.predict(tree, model, data)` adds one, and so does `--model` of "
            "`probgen report`."
        )
    else:
        sites = _common(run.dataset("posterior_predictive"), run.dataset("observed_data"))
        for number, site in enumerate(sites[:MOST_SITES]):
            pictures += _checks(run, site, f"{run.anchor}-ppc{number}")
        if len(sites) > MOST_SITES:
            remarks.append(f"Not drawn: {quoted(sites[MOST_SITES:])}.")
    loo, said = loo_of(run)
    pictures += [khat_picture(run, entry, number) for number, entry in enumerate(loo)]
    return Predictive(pictures, loo, [*remarks, *said])


def _checks(run: Run, site: str, prefix: str) -> list[Picture]:
    tree = _thinned(run, site)
    count = tree["observed_data"][site].size

    def density() -> Any:
        from arviz_plots import plot_ppc_dist

        discrete = tree["observed_data"][site].dtype.kind in "biu"
        plot = plot_ppc_dist(
            tree,
            var_names=[site],
            num_samples=40,
            kind="ecdf" if discrete else "kde",
            backend="matplotlib",
            figure_kwargs={"figsize": (5.6, 2.8)},
        )
        return figure_of(plot)

    def intervals() -> Any:
        from arviz_plots import plot_ppc_pit

        plot = plot_ppc_pit(
            tree, var_names=[site], backend="matplotlib", figure_kwargs={"figsize": (5.6, 2.8)}
        )
        return figure_of(plot)

    pictures = [
        drawn(
            f"Predictive distribution of {site}",
            f"{prefix}-dist",
            density,
            "Forty data sets drawn from the posterior predictive (thin) and the data (black): "
            "the data should look like one of them.",
            f"Predictive draws of {site} against {count_of(count, 'observation')}.",
        ),
    ]
    if count < FEWEST_TRANSFORMS:
        return pictures
    return [
        *pictures,
        drawn(
            f"Calibration of the predictions of {site}",
            f"{prefix}-pit",
            intervals,
            "Distance of the probability integral transforms of the data from uniform, with a "
            "simultaneous 99 % band: inside, the predictions are calibrated.",
            f"Transforms of {count_of(count, 'observation')} of {site}.",
        ),
    ]


def _common(predictive: xr.Dataset, observed: xr.Dataset) -> list[str]:
    """Numeric sites that are both predicted and observed."""
    return [
        str(name)
        for name, array in predictive.data_vars.items()
        if name in observed.data_vars
        and array.dtype.kind in "fiub"
        and observed[name].dtype.kind in "fiub"
        and array.size
        and np.isfinite(observed[name].values).any()
    ]


def _thinned(run: Run, site: str) -> xr.DataTree:
    """The predictive draws and data of one site, as one dimension, thinned to a bound.

    Missing observations are left out. Counts and states, which torch keeps as floats, become whole
    numbers, so that they are drawn and transformed as such.
    """
    array = run.dataset("posterior_predictive")[site].transpose("chain", "draw", ...)
    draws = slice(None, None, max(1, -(-array.sizes["draw"] // MOST_DRAWS)))
    values = array.isel(draw=draws).values
    values = values.reshape(*values.shape[:2], -1)
    observed = np.asarray(run.dataset("observed_data")[site].values).ravel()
    there = np.flatnonzero(np.isfinite(observed))
    kept = there[:: max(1, -(-there.size // MOST_OBSERVATIONS))]
    values, observed = values[:, :, kept], observed[kept]
    if _whole(observed) and _whole(values):
        values, observed = values.astype(np.int64), observed.astype(np.int64)
    return xr.DataTree.from_dict(
        {
            "posterior_predictive": xr.Dataset({site: (("chain", "draw", "observation"), values)}),
            "observed_data": xr.Dataset({site: (("observation",), observed)}),
        }
    )


def _whole(values: np.ndarray) -> bool:
    return bool((np.abs(values) < LARGEST_COUNT).all() and (values == np.round(values)).all())
