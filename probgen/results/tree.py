"""Draws to an ArviZ DataTree: groups, dimensions named from plates, attributes.

Every method's result passes through `build_tree`, so that diagnosis, comparison and ArviZ see
one format. Dimensions of a site are named by its plates; others are NAME_dim_0, NAME_dim_1 as
ArviZ does, unless the user names them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from xarray.indexes import PandasIndex

from probgen.errors import OptionError

__all__ = ["Labels", "Variable", "build_tree"]

SAMPLE_DIMS = ("chain", "draw")


@dataclass(frozen=True)
class Variable:
    """Values of one site with the plates of its leading dimensions (None: no plate).

    `sampled` says whether the array begins with (chain, draw), `per_chain` whether it begins
    with (chain,) alone.
    """

    values: np.ndarray
    plates: tuple[str | None, ...] = ()
    sampled: bool = True
    per_chain: bool = False

    @property
    def lead(self) -> tuple[str, ...]:
        """The sample dimensions that the array begins with."""
        if self.per_chain:
            return SAMPLE_DIMS[:1]
        return SAMPLE_DIMS if self.sampled else ()


@dataclass
class Labels:
    """The user's names: dims of a site beyond its plates, and coordinates of dims."""

    dims: Mapping[str, Sequence[str]] = field(default_factory=dict)
    coords: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def of(self, name: str, variable: Variable) -> tuple[str, ...]:
        """Dimension names of a variable, (chain, draw) included.

        Raises `OptionError` when the names given by the user are too few or too many.
        """
        lead = variable.lead
        rank = variable.values.ndim - len(lead)
        plates = (*variable.plates, *(None,) * rank)[:rank]
        given = list(self.dims.get(name, ()))
        free = [d for d, plate in enumerate(plates) if plate is None]
        if given and len(given) == rank:
            return (*lead, *given)
        if given and len(given) != len(free):
            raise OptionError(
                f"dims[{name!r}] names {len(given)} dimensions, but {name!r} has shape "
                f"{variable.values.shape[len(lead) :]} with plates {plates}."
            )
        names = dict(zip(free, given, strict=False))
        counter = iter(range(rank))
        return (
            *lead,
            *(
                plate or names.get(d) or f"{name}_dim_{next(counter)}"
                for d, plate in enumerate(plates)
            ),
        )


def build_tree(
    groups: Mapping[str, Mapping[str, Variable]],
    labels: Labels | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> xr.DataTree:
    """One DataTree with a group per entry of `groups` (empty groups are left out).

    `attrs` go to the root and to the posterior; values that netCDF cannot hold are written as
    JSON. Raises `OptionError` when a coordinate's length does not fit its dimension.
    """
    labels = labels or Labels()
    plain = {key: storable(value) for key, value in (attrs or {}).items()}
    indexes: dict[tuple[str, int], PandasIndex] = {}
    children = {}
    for group, variables in groups.items():
        if variables:
            dataset = _dataset(variables, labels, indexes)
            if group == "posterior":
                dataset.attrs.update(plain)
            children[group] = xr.DataTree(dataset)
    tree = xr.DataTree()
    tree.attrs.update(plain)
    tree.children = children  # unlike from_dict, without a copy of every node
    return tree


def _dataset(
    variables: Mapping[str, Variable], labels: Labels, indexes: dict[tuple[str, int], PandasIndex]
) -> xr.Dataset:
    arrays: dict[str, xr.Variable] = {}
    sizes: dict[str, int] = {}
    for name, variable in variables.items():
        dims = labels.of(name, variable)
        arrays[name] = xr.Variable(dims, variable.values)
        for dim, size in zip(dims, variable.values.shape, strict=True):
            if sizes.setdefault(dim, size) != size:
                raise OptionError(
                    f"Dimension {dim!r} has length {size} in {name!r} and {sizes[dim]} "
                    "elsewhere; give that variable names of its own with dims={...}."
                )
    chosen, coordinates = {}, {}
    for dim, size in sizes.items():
        # Indexes are shared between groups: building them is most of the cost of a Dataset.
        if (dim, size) not in indexes:
            indexes[dim, size] = PandasIndex(_labels(labels, dim, size), dim)
        chosen[dim] = indexes[dim, size]
        coordinates.update(chosen[dim].create_variables())
    return xr.Dataset(arrays, xr.Coordinates(coordinates, indexes=chosen))


def _labels(labels: Labels, dim: str, size: int) -> np.ndarray:
    given = labels.coords.get(dim)
    if given is None or dim in SAMPLE_DIMS:
        return np.arange(size)
    if len(given) != size:
        raise OptionError(
            f"coords[{dim!r}] has {len(given)} labels; the dimension has length {size}."
        )
    return np.asarray(given)


def storable(value: Any) -> Any:
    if isinstance(value, (bool, np.bool_)):
        return int(value)
    if isinstance(value, (str, int, float, np.integer, np.floating)):
        return value
    return json.dumps(value, default=str)
