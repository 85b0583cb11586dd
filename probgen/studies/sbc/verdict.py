"""The verdict on a calibration study: which quantities fail, how, and what else to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

__all__ = ["LEVEL", "CalibrationVerdict", "judge"]

LEVEL = 0.01
"""Probability with which a right method fails, all quantities and tests together."""
MOST_FAILED = 0.05  # share of replications without ranks beyond which nothing can be said
MOST_NAMED = 5
_TINY, _ROUNDING = 1e-300, 1e-14  # where densities in double precision are no longer exact


@dataclass(frozen=True)
class CalibrationVerdict:
    """`findings` speak against the method, `notes` do not; both are sentences."""

    findings: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against the method."""
        return not self.findings

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        if self.passed:
            return "Calibrated: the ranks are as uniform as they should be."
        return "Not calibrated: " + self.findings[0]

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        return "\n".join([self.headline, *self.findings[1:], *self.notes])


def judge(
    table: pd.DataFrame, replications: xr.Dataset, truth: xr.Dataset, attrs: Mapping[Any, Any]
) -> CalibrationVerdict:
    """Read the table of scalars, and how the replications went."""
    findings = _failed(replications)
    bad = table[table["p_adjusted"] < LEVEL] if len(table) else table
    bad = bad.sort_values("p_adjusted") if len(bad) else bad
    for name, row in list(bad.iterrows())[:MOST_NAMED]:
        how = f": {row['shape']}" if row["shape"] else ""
        findings.append(f"the ranks of {name} are not uniform (p = {row['p_adjusted']:.1g}){how}.")
    if len(bad) > MOST_NAMED:
        findings.append(f"and those of {len(bad) - MOST_NAMED} further quantities.")
    if not len(table):
        findings.append("no replication gave ranks.")
    return CalibrationVerdict(tuple(findings), tuple(_notes(replications, truth, attrs)))


def _at_edge(truth: xr.Dataset) -> dict[str, np.ndarray]:
    """By quantity: in which replications a truth is within rounding of 0 or 1, but not it."""
    rows = {}
    for name, array in truth.data_vars.items():
        values = array.values.reshape(array.sizes["replication"], -1)
        size, below = np.abs(values), 1.0 - values
        near = ((size > 0) & (size < _TINY)) | ((below > 0) & (below < _ROUNDING))
        rows[str(name)] = near.any(axis=1)
    return rows


def _failed(replications: xr.Dataset) -> list[str]:
    errors = [str(text) for text in replications["error"].values if str(text)]
    if len(errors) <= MOST_FAILED * replications.sizes["replication"]:
        return []
    return [f"{len(errors)} replications failed, the first with: {errors[0]}"]


def _notes(replications: xr.Dataset, truth: xr.Dataset, attrs: Mapping[Any, Any]) -> list[str]:
    count, notes = replications.sizes["replication"], []
    failed = int((replications["error"] != "").sum())
    if 0 < failed <= MOST_FAILED * count:
        notes.append(f"{failed} of {count} replications failed and were left out.")
    short = int((replications["ess"] < attrs["ranks_among"]).sum())
    if short:
        notes.append(
            f"In {short} of {count} replications the effective sample size was below the "
            f"{attrs['ranks_among']} draws that the truth is ranked among: ranks then pile up at "
            "the ends although the method is right. Ask for more draws; where the prior allows "
            "data that no run can cope with, calibrate with posterior=True."
        )
    edge = _at_edge(truth)
    if any(near.any() for near in edge.values()):
        worst = max(edge, key=lambda name: edge[name].sum())
        notes.append(
            f"In {int(np.any([*edge.values()], axis=0).sum())} of {count} replications the model "
            f"drew values (of {worst}, most often) nearer to 0 or 1 than double precision can "
            "tell. Densities and ranks of such values are rounded, and fail although the method "
            "is right: give the site a prior that stays clear of the ends of its support, or "
            "calibrate with posterior=True."
        )
    diverged = int((replications["divergences"] > 0).sum())
    if diverged:
        notes.append(f"Transitions diverged in {diverged} of {count} replications.")
    if attrs.get("interrupted"):
        notes.append(f"The study was interrupted after {count} replications.")
    return notes
