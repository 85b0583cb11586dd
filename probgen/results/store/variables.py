"""The variables of datasets as the arrays that a store makes of them."""

from __future__ import annotations

from collections.abc import Mapping

import xarray as xr

from probgen.errors import StoreError
from probgen.results.store.metadata import GROWING, ArraySpec

__all__ = ["labels_of", "spec_of", "variables_of"]


def variables_of(groups: Mapping[str, xr.Dataset]) -> list[tuple[str, xr.Variable]]:
    """Every variable of every group by its path; raises `StoreError` for impossible names."""
    found = []
    for group, dataset in groups.items():
        for name, variable in dataset.variables.items():
            text = str(name)
            if text in (".", "..") or "/" in text or "\0" in text:
                raise StoreError(f"The name {text!r} cannot be stored: rename that site.")
            if variable.dtype.kind in "mM":  # as whole numbers and a unit
                variable = xr.conventions.encode_cf_variable(variable, name=name)
            found.append((f"{group}/{text}", variable))
    return found


def labels_of(groups: Mapping[str, xr.Dataset]) -> dict[str, str]:
    """The coordinates of every group that are no indexes, their names in one text."""
    return {
        group: " ".join(str(name) for name in dataset.coords if name not in dataset.dims)
        for group, dataset in groups.items()
    }


def spec_of(variable: xr.Variable, chunk: int) -> ArraySpec:
    """The array that a variable becomes, without any draws yet; a chunk holds `chunk` of them."""
    values = variable.values
    if values.dtype.kind in "OT":
        values = values.astype(str)
    dtype = values.dtype.newbyteorder("<")
    dims = tuple(map(str, variable.dims))
    shape = tuple(0 if dim == GROWING else size for dim, size in variable.sizes.items())
    return ArraySpec(dims, dtype, shape, chunk, dict(variable.attrs))
