"""Sequences of states in whatever shape they come, and how often each state follows another."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from scipy import sparse

from probgen.errors import DataError

__all__ = ["as_sequences", "count_transitions", "state_names"]


def as_sequences(
    given: Any, states: Sequence[Hashable] | None
) -> tuple[list[np.ndarray], Sequence[Hashable] | None]:
    """The sequences as one-dimensional object arrays, and names a DataTree brings along."""
    if isinstance(given, xr.DataTree):
        variable = given["posterior"].to_dataset()["state"]
        named = np.array(variable.attrs.get("states", ()), dtype=object)
        codes = variable.values
        rows = named[codes] if named.size else codes.astype(object)
        return list(rows), (tuple(named) if states is None and named.size else states)
    if hasattr(given, "columns") and hasattr(given, "to_numpy"):
        return [given[name].to_numpy(dtype=object) for name in given.columns], states
    if isinstance(given, np.ndarray) and given.ndim == 2:
        return list(given.astype(object)), states
    whole = list(given)
    if _is_nested(whole, states):
        return [_object_array(each) for each in whole], states
    return [_object_array(whole)], states


def _is_nested(whole: list[Any], states: Sequence[Hashable] | None) -> bool:
    """Whether a list holds sequences rather than states (which may be tuples)."""
    if not whole or isinstance(whole[0], (str, bytes)) or not isinstance(whole[0], Iterable):
        long = all(isinstance(each, str) and len(each) > 1 for each in whole)
        return bool(whole) and long and states is not None and not set(whole) & set(states)
    return states is None or not (isinstance(whole[0], Hashable) and whole[0] in set(states))


def _object_array(items: Iterable[Any]) -> np.ndarray:
    items = list(items)
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def state_names(
    parts: list[np.ndarray], states: Sequence[Hashable] | None
) -> tuple[Hashable, ...]:
    """The names given, or those that occur, sorted where they can be."""
    if states is not None:
        return tuple(states)
    seen = dict.fromkeys(item for part in parts for item in part.tolist() if not _missing(item))
    if not seen:
        raise DataError("The sequences hold no states at all.")
    try:
        return tuple(sorted(seen))
    except TypeError:
        return tuple(seen)


def _missing(item: Any) -> bool:
    return item is None or item != item


def count_transitions(
    parts: list[np.ndarray], names: tuple[Hashable, ...]
) -> tuple[sparse.csr_array, np.ndarray]:
    """Counts of transitions (k, k), and how many sequences begin in each state (k,).

    Raises `DataError` for a state that has no name, or when there is nothing to count.
    """
    position = {name: k for k, name in enumerate(names)}
    size = len(names)
    counts = sparse.csr_array((size, size))
    first = np.zeros(size)
    for number, part in enumerate(parts):
        codes = np.array([-1 if _missing(s) else position.get(s, -2) for s in part.tolist()], int)
        if (codes == -2).any():
            unknown = part[int(np.argmin(codes))]
            raise DataError(f"Sequence {number} holds {unknown!r}; the states are {names[:20]}.")
        valid = np.flatnonzero(codes >= 0)
        if valid.size:
            first[codes[valid[0]]] += 1
        whole = (codes[:-1] >= 0) & (codes[1:] >= 0)
        ends = (codes[:-1][whole], codes[1:][whole])
        counts = counts + sparse.coo_array((np.ones(len(ends[0])), ends), shape=(size, size))
    if not counts.nnz:
        raise DataError("No state of the sequences is followed by another: nothing to count.")
    return sparse.csr_array(counts), first
