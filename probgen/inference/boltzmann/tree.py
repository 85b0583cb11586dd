"""Draws of a machine as the groups of a DataTree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from probgen.inference.boltzmann.counting import UnitCounts
from probgen.inference.boltzmann.layout import Layout
from probgen.nets.boltzmann.units import Units
from probgen.results.marginals import Marginals
from probgen.results.network_tree import marginals_dataset
from probgen.results.tree import Labels, Variable, build_groups

__all__ = ["drawn_groups", "marginals_group", "observed_group"]


def drawn_groups(
    layout: Layout, draws: np.ndarray, stats: Mapping[str, np.ndarray], labels: Labels
) -> dict[str, xr.Dataset]:
    """`posterior` and `sample_stats` of draws (chain, draw, column); see `Layout.columns`."""
    batched = layout.evidence.batched
    plates = ("case",) if batched else ()
    shape = (*draws.shape[:2], layout.cases, layout.kept_size)
    whole, sites, start = draws.reshape(shape), {}, 0
    for units in layout.kept:
        values = whole[..., start : start + units.size]
        start += units.size
        kind = np.float32 if not units.discrete else np.min_scalar_type(-units.states)
        values = values.astype(kind, copy=False)
        sites[units.name] = Variable(values if batched else values[:, :, 0], plates)
    named = {name: Variable(values, plates) for name, values in stats.items()}
    return build_groups({"posterior": sites, "sample_stats": named}, labels)


def observed_group(layout: Layout, labels: Labels) -> dict[str, xr.Dataset]:
    """`observed_data`: values of the observed sites, NaN where units are free."""
    evidence = layout.evidence
    plates = ("case",) if evidence.batched else ()
    sites = {
        name: Variable(np.array(v if evidence.batched else v[0]), plates, sampled=False)
        for name, v in evidence.values.items()
    }
    return build_groups({"observed_data": sites}, labels)


def marginals_group(
    layout: Layout, marginals: Marginals, sites: Sequence[Units] | None = None
) -> dict[str, xr.Dataset]:
    """`marginals`: probability of every state of every free unit (of some sites, or all); none
    with Gaussian units.

    Units are named by position, `x[3]`, with the case in front where there are cases.
    """
    if not layout.discrete:
        return {}
    variables = UnitCounts.variables_of(layout, sites)
    batched = layout.evidence.batched
    names = [f"{u.name}[{c}, {i}]" if batched else f"{u.name}[{i}]" for u, c, i in variables]
    states = [np.arange(units.states) for units, _, _ in variables]
    return {"marginals": marginals_dataset(names, states, marginals)}
