"""What is known of the units of a machine: values by site, NaN where a unit is free.

Several cases (rows) are several posteriors, sampled side by side: a digit with its lower half
missing is one case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from probgen.errors import DataError
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units
from probgen.nets.boltzmann.values import read_values

__all__ = ["Evidence", "read_evidence"]


@dataclass(frozen=True, eq=False)
class Evidence:
    """Values of the observed units.

    Attributes
    ----------
    values: by site, (case, unit) float64, NaN where free; of observed sites only.
    cases: number of posteriors, 1 without data.
    batched: whether results have a dimension of cases.

    """

    values: Mapping[str, np.ndarray]
    cases: int = 1
    batched: bool = False

    def of(self, units: Units) -> np.ndarray:
        """Values of a site, (case, unit), NaN where free."""
        free = np.full((self.cases, units.size), np.nan)
        return self.values.get(units.name, free)


def read_evidence(machine: BoltzmannMachine, data: Mapping[Any, Any] | None) -> Evidence:
    """Data by site name, (case, unit), or (unit,) of a single case, NaN where missing.

    Optional units without a value are free as well: they are drawn as if they were present.
    Raises `DataError` for unknown sites, wrong shapes and values outside a site's domain (see
    `read_values`), and when nothing is left to sample.
    """
    if not data:
        return Evidence({})
    sites = {units.name: units for layer in machine.layers for units in layer}
    plain = {name: _plain(given) for name, given in data.items()}
    ranks = {name: _rank(sites.get(name), given) for name, given in plain.items()}
    if {"case", "rows"} <= set(ranks.values()):
        one = next(name for name, rank in ranks.items() if rank == "case")
        raise DataError(
            f"data[{one!r}] is one case, and other sites have a dimension of cases: give all of "
            "them as (cases, units), or all of them as (units,)."
        )
    single = "rows" not in ranks.values()
    rows = {n: given.reshape(1, -1) if single else given for n, given in plain.items()}
    values = read_values(machine, rows, missing=True)
    found = {name: value.double().cpu().numpy() for name, value in values.items()}
    evidence = Evidence(found, len(next(iter(found.values()))), not single)
    if all(not np.isnan(evidence.of(units)).any() for units in sites.values()):
        raise DataError("data: every unit is observed; leave a site out, or put NaN in it.")
    return evidence


def _plain(given: Any) -> Any:
    """As a tensor or an array; masked entries are NaN."""
    if isinstance(given, np.ma.MaskedArray):
        return np.ma.filled(given.astype(float), np.nan)
    return given if hasattr(given, "detach") else np.asarray(given)


def _rank(units: Units | None, given: Any) -> str:
    """Whether values are one "case" (unit,), "rows" of cases, or "either"."""
    if units is None or given.ndim > 1:
        return "rows"
    if units.size > 1 or not given.ndim:
        return "case"
    return "either" if len(given) == 1 else "rows"
