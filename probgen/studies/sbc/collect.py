"""Replications to one DataTree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from probgen.results.tree import storable
from probgen.studies.sbc.replication import Replication

__all__ = ["collect"]

DIM = "replication"
GROUPS = {"ranks": "ranks", "truth": "truth", "posterior_mean": "mean", "posterior_sd": "sd"}


def collect(
    rows: Sequence[Replication], settings: Mapping[str, Any], interrupted: bool
) -> xr.DataTree:
    """The tree of a study; ranks are -1 and numbers NaN in replications that failed."""
    index = np.array([row.index for row in rows])
    shapes = {n: r.shape for row in rows for n, r in row.ranks.items()}
    groups = {
        group: xr.Dataset(
            {
                name: (_dims(name, shape), _stacked(rows, part, name, shape))
                for name, shape in shapes.items()
            },
            {DIM: index},
        )
        for group, part in GROUPS.items()
    }
    scalars = {
        "ess": [row.ess for row in rows],
        "divergences": [row.divergences for row in rows],
        "seconds": [row.seconds for row in rows],
        "error": np.array([row.error or "" for row in rows], dtype=object).astype(str),
    }
    groups["replications"] = xr.Dataset({n: (DIM, v) for n, v in scalars.items()}, {DIM: index})
    tree = xr.DataTree.from_dict(groups)
    tree.attrs.update({name: storable(value) for name, value in settings.items()})
    tree.attrs["interrupted"] = int(interrupted)
    return tree


def _dims(name: str, shape: tuple[int, ...]) -> tuple[str, ...]:
    return (DIM, *(f"{name}_dim_{k}" for k in range(len(shape))))


def _stacked(
    rows: Sequence[Replication], part: str, name: str, shape: tuple[int, ...]
) -> np.ndarray:
    missing = np.full(shape, -1) if part == "ranks" else np.full(shape, np.nan)
    return np.stack([getattr(row, part).get(name, missing) for row in rows])
