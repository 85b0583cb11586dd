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

__all__ = ["Labels", "Variable", "build_groups", "build_tree"]

SAMPLE_DIMS = ("chain", "draw")


@dataclass(frozen=True)
class Variable:
    """Values of one site with the plates of its leading dimensions (None: no plate).

    `sampled` says whether the array begins with (chain, draw), `per_chain` whether it begins
    with (chain,) alone. `kept` is for sites of which a mask leaves out a part: after the sample
    dimensions comes one over the entries that count, whose numbers (C order over the dimensions
    of the mask) it gives. `rank` is how many dimensions the site has where the array has fewer
    (a log density per event), 0 where its dimensions are no dimensions of the site at all.
    """

    values: np.ndarray
    plates: tuple[str | None, ...] = ()
    sampled: bool = True
    per_chain: bool = False
    kept: np.ndarray | None = None
    rank: int | None = None

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
    coords: Mapping[str, Sequence[Any] | np.ndarray] = field(default_factory=dict)

    def of(self, name: str, variable: Variable) -> tuple[str, ...]:
        """Dimension names of a variable, (chain, draw) included.

        Raises `OptionError` when the names given by the user are too few or too many.
        """
        lead = variable.lead
        if variable.kept is not None:
            events = range(variable.values.ndim - len(lead) - 1)
            return (*lead, f"{name}_kept", *(f"{name}_dim_{d}" for d in events))
        rank = variable.values.ndim - len(lead)
        plates = (*variable.plates, *(None,) * rank)[:rank]
        free = [d for d, plate in enumerate(plates) if plate is None]
        given = self._given(name, variable, rank, len(free))
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

    def _given(self, name: str, variable: Variable, rank: int, free: int) -> list[str]:
        """The user's names that a variable can bear: those of its leading dimensions."""
        given = list(self.dims.get(name, ()))
        if variable.rank is None:
            return given
        return given[:rank] if len(given) == variable.rank else given[: min(free, variable.rank)]


def build_tree(
    groups: Mapping[str, Mapping[str, Variable]],
    labels: Labels | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> xr.DataTree:
    """One DataTree with a group per entry of `groups` (empty groups are left out).

    `attrs` go to the root and to the posterior; values that netCDF cannot hold are written as
    JSON. Raises `OptionError` when a coordinate's length does not fit its dimension.
    """
    plain = {key: storable(value) for key, value in (attrs or {}).items()}
    datasets = build_groups(groups, labels)
    if "posterior" in datasets:
        datasets["posterior"].attrs.update(plain)
    tree = xr.DataTree()
    tree.attrs.update(plain)
    # unlike from_dict, without a copy of every node
    tree.children = {group: xr.DataTree(dataset) for group, dataset in datasets.items()}
    return tree


def build_groups(
    groups: Mapping[str, Mapping[str, Variable]], labels: Labels | None = None
) -> dict[str, xr.Dataset]:
    """The dataset of every group that is not empty; raises as `build_tree`."""
    indexes: dict[tuple[str, int], PandasIndex] = {}
    return {
        group: _dataset(variables, labels or Labels(), indexes)
        for group, variables in groups.items()
        if variables
    }


def _dataset(
    variables: Mapping[str, Variable], labels: Labels, indexes: dict[tuple[str, int], PandasIndex]
) -> xr.Dataset:
    arrays: dict[str, xr.Variable] = {}
    sizes: dict[str, int] = {}
    for name, variable in variables.items():
        dims = labels.of(name, variable)
        arrays[name] = xr.Variable(dims, variable.values)
        if variable.kept is not None:
            dim, numbers = dims[len(variable.lead)], variable.kept
            indexes[dim, len(numbers)] = PandasIndex(_entries(labels, variable), dim)
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


def _entries(labels: Labels, variable: Variable) -> np.ndarray:
    """Labels of the entries that a mask keeps: those of the plate if there is one, or numbers."""
    kept = np.asarray(variable.kept)
    given = labels.coords.get(variable.plates[0] or "") if len(variable.plates) == 1 else None
    fits = given is not None and (not kept.size or len(given) > kept.max())
    return np.asarray(given)[kept] if fits else kept


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
