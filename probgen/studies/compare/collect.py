"""Runs put together as one DataTree: `runs`, `errors`, `curves`, `reference`.

`runs` has a row per run with every number measured. `errors` are those of every scalar and
statistic, by run, with their standard errors (`noise` that of the run's draws, `reference_noise`
that of the reference); `curves` errors by budget, by run. All of it is numbers and
short texts, so that NetCDF and JSON hold it whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from probgen.results.attributes import version_of
from probgen.results.tree import storable
from probgen.studies.compare.joint import floors
from probgen.studies.compare.rows import Run, row_of
from probgen.studies.compare.run import Measured
from probgen.studies.reference import Reference

__all__ = ["collected"]

_ERRORS = ("error", "noise", "reference_noise")


def collected(
    runs: Sequence[Run],
    methods: Mapping[str, str],
    reference: Reference | None,
    *,
    model: str,
    compiling: float,
    settings: Mapping[str, Any],
) -> xr.DataTree:
    """The tree of a comparison; `methods` are their settings by label."""
    table = pd.DataFrame([row_of(run, compiling, reference) for run in runs])
    table.index.name = "run"
    groups = {"runs": _storable_table(table)}
    measured = [run.answer.value if run.answer.status == "done" else None for run in runs]
    if reference is not None:
        groups["reference"] = _reference_dataset(reference)
        groups |= _error_groups(measured)
    tree = xr.DataTree.from_dict(groups)
    attrs: dict[str, Any] = {
        "made_by": f"probgen {version_of('probgen')}",
        "model": model,
        "methods": dict(methods),
        "seconds_compile_cold": compiling,
        "reference": "" if reference is None else reference.title,
        **settings,
    }
    if reference is not None and (floor := floors(reference)) is not None:
        attrs["sliced_wasserstein_floor"] = floor.sliced_wasserstein
        attrs["mmd_floor"] = floor.mmd
    tree.attrs = {name: storable(value) for name, value in attrs.items()}
    return tree


def _error_groups(measured: Sequence[Measured | None]) -> dict[str, xr.Dataset]:
    """Errors (run, scalar, statistic) and curves (run, step), NaN where a run has none."""
    groups = {}
    known = {i: m for i, m in enumerate(measured) if m is not None and m.accuracy is not None}
    if known:
        first = next(iter(known.values())).accuracy
        assert first is not None
        names = list(dict.fromkeys(n for m in known.values() for n in m.accuracy.names))  # type: ignore[union-attr]
        place = {name: column for column, name in enumerate(names)}
        arrays = np.full((3, len(measured), len(names), len(first.statistics)), np.nan)
        for i, m in known.items():
            assert m.accuracy is not None
            columns = [place[name] for name in m.accuracy.names]
            arrays[0, i, columns] = m.accuracy.errors
            arrays[1, i, columns] = m.accuracy.noise
            arrays[2, i, columns] = m.accuracy.reference_noise
        dims = ("run", "scalar", "statistic")
        groups["errors"] = xr.Dataset(
            {n: (dims, a) for n, a in zip(_ERRORS, arrays, strict=True)},
            {"scalar": names, "statistic": list(first.statistics)},
        )
    curves = {i: m.curve for i, m in enumerate(measured) if m is not None and m.curve is not None}
    if curves:
        longest = max(len(curve.draws) for curve in curves.values())
        fields = ("draws", "seconds", "gradients", "worst", "average")
        found = {name: np.full((len(measured), longest), np.nan) for name in fields}
        for i, curve in curves.items():
            for name in fields:
                values = getattr(curve, name)
                found[name][i, : len(values)] = values
        groups["curves"] = xr.Dataset({n: (("run", "step"), v) for n, v in found.items()})
    return groups


def _reference_dataset(reference: Reference) -> xr.Dataset:
    dims = ("scalar", "statistic")
    return xr.Dataset(
        {"value": (dims, reference.values), "mcse": (dims, reference.errors)},
        {"scalar": list(reference.names), "statistic": list(reference.statistics)},
        {
            "title": reference.title,
            "log_evidence": reference.log_evidence,
            "by_position": int(reference.by_position),
        },
    )


def _storable_table(table: pd.DataFrame) -> xr.Dataset:
    """Columns as numbers or texts: booleans and objects have no place in NetCDF."""
    columns = {}
    for name, column in table.items():
        if column.dtype == bool:
            columns[name] = column.astype("int8")
        elif column.dtype == object:
            columns[name] = column.fillna("").astype(str)
        else:
            columns[name] = column
    dataset = xr.Dataset.from_dataframe(pd.DataFrame(columns))
    for name in dataset.data_vars:
        if dataset[name].dtype == object:
            dataset[name] = dataset[name].astype(str)
    return dataset
