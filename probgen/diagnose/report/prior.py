"""What the data taught: prior and posterior of the featured scalars in one picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from probgen.diagnose.record import with_sample_dims
from probgen.diagnose.report.closeups import FOREST_DRAWS, figure_of, short_names
from probgen.diagnose.report.featured import featured_scalars
from probgen.diagnose.report.pictures import Picture, drawn
from probgen.diagnose.report.runs import Run
from probgen.diagnose.scalars import scalar_blocks
from probgen.diagnose.words import count_of

__all__ = ["prior_picture"]

MOST_SCALARS = 20_000
WIDTHS = 2.0
"""Of the posterior's range, on either side of it: beyond, prior draws are not drawn."""
FEWEST_NEAR = 30


def prior_picture(run: Run) -> Picture | None:
    """Densities of prior and posterior; None when the run has no prior draws of these scalars."""
    record = run.record
    if record is None or not run.has("prior"):
        return None
    prior = _prior_draws(run)
    chosen = [i for i in featured_scalars(run) if record.names[i] in prior]
    if not chosen:
        return None
    names = short_names(record.names[i] for i in chosen)
    flat = {name: record.values[i].ravel() for name, i in zip(names, chosen, strict=True)}
    before = {
        n: _near(prior[record.names[i]], flat[n]) for n, i in zip(names, chosen, strict=True)
    }

    def draw() -> Any:
        from arviz_plots import plot_prior_posterior

        rows = -(-len(names) // 2)
        plot = plot_prior_posterior(
            xr.DataTree.from_dict({"prior": _dataset(before), "posterior": _dataset(flat)}),
            backend="matplotlib",
            kind="kde",
            col_wrap=2,
            figure_kwargs={"figsize": (7.6, 0.5 + 1.75 * rows)},
        )
        return figure_of(plot)

    return drawn(
        "Prior and posterior",
        f"{run.anchor}-prior",
        draw,
        "Where the two are alike, the data said little; where the posterior lies in the tail of "
        "the prior, they disagree. Prior draws far outside the posterior are left out.",
        f"Densities before and after the data of {count_of(len(names), 'parameter')}.",
    )


def _prior_draws(run: Run) -> dict[str, np.ndarray]:
    """Finite prior draws of every scalar that is a site, by name."""
    dataset = with_sample_dims(run.dataset("prior"))
    blocks = scalar_blocks(dataset, MOST_SCALARS, [])
    named = {
        name: values.ravel()
        for block in blocks
        for name, values in zip(block.names, block.values, strict=True)
    }
    return {n: v for n, v in named.items() if np.isfinite(v).all() and np.ptp(v) > 0}


def _near(prior: np.ndarray, posterior: np.ndarray) -> np.ndarray:
    """Prior draws within some widths of the posterior's range; all, if few are.

    A wide prior would leave no more than a spike of the posterior.
    """
    low, high = posterior.min(), posterior.max()
    reach = WIDTHS * (high - low)
    near = prior[(prior >= low - reach) & (prior <= high + reach)]
    return near if near.size >= FEWEST_NEAR else prior


def _dataset(draws: dict[str, np.ndarray]) -> xr.Dataset:
    """Draws, thinned alike, as one chain."""
    return xr.Dataset(
        {
            name: (("chain", "draw"), values[:: max(1, len(values) // FOREST_DRAWS)][None])
            for name, values in draws.items()
        }
    )
