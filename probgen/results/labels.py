"""Names of dimensions and their labels, carried from the groups that a tree has to new ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

from probgen.results.tree import SAMPLE_DIMS, Labels, Variable

__all__ = ["constant_plates", "labels_from"]

_GROUPS = ("posterior", "observed_data", "prior", "posterior_predictive", "constant_data")


def labels_from(
    tree: xr.DataTree,
    variables: Mapping[str, Variable],
    dims: Mapping[str, Sequence[str]] | None = None,
    coords: Mapping[str, Sequence[Any]] | None = None,
) -> Labels:
    """Labels for new `variables` of a tree: those of its groups, unless `dims`, `coords` differ.

    A variable is called along its dimensions as it is in the tree, if it has as many of them
    there. A dimension is labelled as in the tree if it has that length there.
    """
    names, chosen = dict(dims or {}), dict(coords or {})
    known: dict[str, Sequence[Any]] = {}
    for group in _GROUPS:
        if group not in tree.children:
            continue
        dataset = tree[group].to_dataset()
        for name in variables.keys() & dataset.data_vars.keys() - names.keys():
            before = [str(dim) for dim in dataset[name].dims if dim not in SAMPLE_DIMS]
            if f"{name}_kept" in before:  # a part of the site, along no dimension of the others
                continue
            if len(before) == variables[name].values.ndim - len(variables[name].lead):
                names[name] = before
        for dim in set(map(str, dataset.dims)) & dataset.indexes.keys() - known.keys():
            known[dim] = dataset.indexes[dim].to_numpy()
    for name, variable in variables.items():
        named = Labels(names).of(name, variable)
        for dim, size in zip(named, variable.values.shape, strict=True):
            if dim in known and dim not in (coords or {}) and len(known[dim]) == size:
                chosen[dim] = known[dim]
    return Labels(names, chosen)


def constant_plates(
    shape: Sequence[int], plates: Sequence[Mapping[str, int]]
) -> tuple[str | None, ...]:
    """Plates that the leading dimensions of a constant array stand for; None where in doubt.

    `plates` gives for each observed site its plates and their sizes, in the order of its
    dimensions. An array whose leading dimensions are as long as all plates of a site goes with
    these; otherwise its first dimension goes with the one plate of that length.
    """
    found = {
        tuple(sizes)
        for sizes in plates
        if sizes and tuple(shape[: len(sizes)]) == tuple(sizes.values())
    }
    longest = [names for names in found if len(names) == max(map(len, found))]
    if len(longest) == 1:
        return tuple(longest[0])
    sizes = {name: size for each in plates for name, size in each.items()}
    fitting = [name for name, size in sizes.items() if shape and size == shape[0] > 1]
    return (fitting[0],) if len(fitting) == 1 else ()
