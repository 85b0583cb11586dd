"""Which scalars a report shows up close: those the findings name, and the worst mixed.

The pictures are bounded in number whatever the model's size, so the choice matters: first what
the failures and warnings name, then the worst R-hat and ESS, one of each site before a second.
"""

from __future__ import annotations

import xarray as xr

from probgen.diagnose.picture import worst_scalars
from probgen.diagnose.record import Record
from probgen.diagnose.report.runs import Run
from probgen.diagnose.run_size import FEWEST_DRAWS

__all__ = ["MOST_CHAINS", "can_be_drawn", "featured_scalars", "featured_tree"]

MOST_FEATURED = 6
MOST_NAMED = 3
"""Scalars taken from findings, so that the worst of other sites still have a place."""
MOST_CHAINS = 8
"""Chains drawn: more lines could not be told apart."""


def can_be_drawn(record: Record) -> bool:
    """Whether there are draws that vary, and enough of them for a picture."""
    return bool(record.moving.any()) and record.draws >= FEWEST_DRAWS


def featured_scalars(run: Run, most: int = MOST_FEATURED) -> list[int]:
    """Positions in the record of the scalars to show, in the record's order."""
    record = run.record
    if record is None or not can_be_drawn(record):
        return []
    position = {name: i for i, name in enumerate(record.names)}
    named = [
        position[name]
        for severity in ("failure", "warning")
        for finding in run.verdict.of_severity(severity)
        for name in finding.sites
        if name in position and record.moving[position[name]]
    ]
    named = list(dict.fromkeys(named))[:MOST_NAMED]
    worst = worst_scalars(record, run.verdict.table, most)
    return sorted([*named, *[i for i in worst if i not in named][: most - len(named)]])


def featured_tree(
    record: Record, chosen: list[int], names: list[str], most_draws: int
) -> xr.DataTree:
    """The chosen scalars as a tree of their own, thinned to about so many draws per chain.

    `names` are their labels, one each. Divergences come along where the run has them; thinning
    keeps a draw marked when any of the draws it stands for diverged.
    """
    chains = slice(0, MOST_CHAINS)
    step = max(1, -(-record.draws // most_draws))
    draws = range(0, record.draws, step)
    coords = {"chain": range(min(record.chains, MOST_CHAINS)), "draw": list(draws)}
    groups = {
        "posterior": xr.Dataset(
            {
                name: (("chain", "draw"), record.values[i, chains, ::step])
                for i, name in zip(chosen, names, strict=True)
            },
            coords,
        )
    }
    diverging = record.stats.get("diverging")
    if diverging is not None:
        marked = diverging[chains].astype(bool)
        kept = marked[:, ::step].copy()
        for shift in range(1, step):
            part = marked[:, shift::step]
            kept[:, : part.shape[1]] |= part
        groups["sample_stats"] = xr.Dataset({"diverging": (("chain", "draw"), kept)}, coords)
    return xr.DataTree.from_dict(groups)
