"""Pictures of a result on a discrete network: its marginals, and how the log joint mixed."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from probgen.diagnose.network_picture import draw_network
from probgen.diagnose.report.closeups import band, figure_of
from probgen.diagnose.report.featured import MOST_CHAINS
from probgen.diagnose.report.pictures import Picture, drawn
from probgen.diagnose.report.runs import Run
from probgen.diagnose.words import count_of

__all__ = ["pictures_of_network"]

MOST_DRAWS = 400


def pictures_of_network(run: Run) -> list[Picture]:
    """The probabilities of the states, and ranks of the log joint of samplers."""
    variables = count_of(len(set(run.verdict.sites)), "variable")
    pictures = [
        drawn(
            "Marginals",
            f"{run.anchor}-marginals",
            lambda: draw_network(run.tree, run.verdict),
            "A bar per variable, cut into the probabilities of its states.",
            f"Probabilities of the states of {variables}; the table has the numbers.",
            wide=True,
        )
    ]
    if (joint := _log_joint(run)) is not None:
        pictures += [
            drawn(
                "Log joint, ranks by chain",
                f"{run.anchor}-rank",
                lambda: _rank(joint),
                "Distance of each chain's rank distribution from the uniform one, with a "
                "simultaneous 99 % band: chains that agree stay inside.",
                f"Ranks of the log joint of {count_of(joint.shape[0], 'chain')}.",
            ),
        ]
    return pictures


def _log_joint(run: Run) -> xr.DataArray | None:
    """Log joint of the draws of a sampler, a few chains, thinned; None where there is none."""
    if not run.has("sample_stats") or "mcse" not in run.tree["marginals"].data_vars:
        return None
    stats = run.tree["sample_stats"].dataset
    if "log_joint" not in stats:
        return None
    array = stats["log_joint"]  # of every case, where there are cases; these are independent
    array = array.sum([dim for dim in array.dims if dim not in ("chain", "draw")])
    array = array.transpose("chain", "draw")
    step = max(1, -(-array.sizes["draw"] // MOST_DRAWS))
    kept = array.isel(chain=slice(0, MOST_CHAINS), draw=slice(None, None, step))
    finite = bool(np.isfinite(kept.values).all())
    return kept if finite and np.ptp(kept.values) > 0 and kept.sizes["draw"] > 3 else None


def _tree(joint: xr.DataArray) -> xr.DataTree:
    return xr.DataTree.from_dict({"posterior": xr.Dataset({"log joint": joint})})


def _rank(joint: xr.DataArray) -> Any:
    from arviz_plots import plot_rank

    plot = plot_rank(
        _tree(joint),
        backend="matplotlib",
        stats=band(),
        visuals={"ecdf_lines": {"width": 1.1}},
        figure_kwargs={"figsize": (5.6, 2.6)},
    )
    return figure_of(plot)
