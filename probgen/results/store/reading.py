"""Stores of draws opened lazily: values are read from their files when they are looked at.

xarray and zarr-python open them as well. This reader is faster, and where a chunk is missing or
cut short it says so, where the format has readers fill in NaN.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing
from xarray.indexes import PandasIndex

from probgen.errors import StoreError
from probgen.results.store.arrays import check_chunks
from probgen.results.store.metadata import COORDINATES, GROWING, PLACES, ArraySpec, array_of

__all__ = ["open_store", "read_root"]


def read_root(path: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Attributes of a store and the documents of all nodes in it, by path.

    Raises `StoreError` when it has none or they cannot be read.
    """
    try:
        document = json.loads((path / "zarr.json").read_bytes())
        nodes = document["consolidated_metadata"]["metadata"]
        return dict(document["attributes"]), dict(nodes)
    except FileNotFoundError as error:
        raise StoreError(f"{path} is no store of draws: it has no zarr.json.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{path / 'zarr.json'} cannot be read: it is damaged.") from error


def open_store(path: Path) -> xr.DataTree:
    """The tree of a store, as far as it is written; raises `StoreError` for damage."""
    attrs, nodes = read_root(path)
    groups: dict[str, dict[str, ArraySpec]] = {}
    group_attrs: dict[str, dict[str, Any]] = {}
    try:
        for key, document in nodes.items():
            if document["node_type"] == "group":
                groups.setdefault(key, {})
                group_attrs[key] = document["attributes"]
            else:
                group, _, name = key.rpartition("/")
                groups.setdefault(group, {})[name] = array_of(document)
    except (KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{path / 'zarr.json'} cannot be read: it is damaged.") from error
    except StoreError as error:
        raise StoreError(f"{path}: {error}.") from error
    indexes: dict[tuple[str, bytes], PandasIndex] = {}
    children = {}
    for group, arrays in groups.items():
        attributes = dict(group_attrs.get(group, {}))
        labels = str(attributes.pop(COORDINATES, "")).split()
        dataset = _dataset(path / group, arrays, labels, indexes)
        dataset.attrs.update(attributes)
        children[group] = xr.DataTree(dataset)
    tree = xr.DataTree()
    tree.attrs.update(attrs)
    tree.children = children
    return tree


def _dataset(
    folder: Path,
    arrays: Mapping[str, ArraySpec],
    labels: Sequence[str],
    indexes: dict[tuple[str, bytes], PandasIndex],
) -> xr.Dataset:
    plain: dict[str, xr.Variable] = {}
    chosen: dict[str, PandasIndex] = {}
    coordinates: dict[str, xr.Variable] = {}
    for name, spec in arrays.items():
        check_chunks(folder / name, spec)
        stored = StoredArray(folder / name, spec)
        if spec.dims == (name,):
            raw = np.arange(*spec.shape) if name == GROWING else stored.whole()
            values = xr.conventions.decode_cf_variable(
                name, xr.Variable(spec.dims, raw, spec.attrs)
            ).values
            key = (name, values.tobytes())
            if key not in indexes:
                indexes[key] = PandasIndex(values, name, coord_dtype=values.dtype)
            chosen[name] = indexes[key]
            coordinates.update(chosen[name].create_variables())
            continue
        lazy: Any = indexing.LazilyIndexedArray(stored)
        lazy = indexing.CopyOnWriteArray(lazy)
        # what a run replaces is read before it does so again: sites that go together
        held = stored.whole() if spec.place in PLACES else lazy
        variable = xr.Variable(spec.dims, held, spec.attrs)
        if spec.attrs:  # the units of times, for instance
            variable = xr.conventions.decode_cf_variable(name, variable)
        (coordinates if name in labels else plain)[name] = variable
    return xr.Dataset(plain, xr.Coordinates(coordinates, indexes=chosen))


class StoredArray(BackendArray):
    """An array on disk for xarray: reads what is asked for, chunk by chunk."""

    def __init__(self, folder: Path, spec: ArraySpec) -> None:
        self.folder, self.spec = folder, spec
        self.shape, self.dtype = spec.shape, spec.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self._read
        )

    def whole(self) -> np.ndarray:
        """All values."""
        return self._read((slice(None),) * len(self.shape))

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        """Values at a key of integers and slices."""
        spec, axis = self.spec, self.spec.axis
        if 0 in spec.shape:
            return np.empty(spec.shape, spec.dtype)[key]
        if axis is None:
            return np.array(self._chunk(0)[key])
        if spec.shape[axis] <= spec.chunk:  # one chunk, its end not filled
            filled = (*(slice(None),) * axis, slice(spec.shape[axis]))
            return np.array(self._chunk(0)[filled][key])
        rows = np.arange(spec.shape[axis])[key[axis]]
        if np.ndim(rows) == 0:
            number, row = divmod(int(rows), spec.chunk)
            return np.array(self._chunk(number)[(*key[:axis], row, *key[axis + 1 :])])
        before, after = key[:axis], key[axis + 1 :]
        kept = sum(not isinstance(part, (int, np.integer)) for part in before)
        parts = []
        ends = (int(rows.min()), int(rows.max())) if rows.size else (0, -1)
        for number in range(ends[0] // spec.chunk, ends[1] // spec.chunk + 1):
            inside = rows[rows // spec.chunk == number] - number * spec.chunk
            if not inside.size:
                continue
            step = int(inside[1] - inside[0]) if len(inside) > 1 else 1
            stop = int(inside[-1]) + (1 if step > 0 else -1)
            stretch = slice(int(inside[0]), None if stop < 0 else stop, step)
            parts.append(self._chunk(number)[(*before, stretch, *after)])
        if len(rows) > 1 and rows[0] > rows[-1]:
            parts.reverse()
        if not parts:
            shape = [*spec.shape]
            shape[axis] = 0
            return np.empty(shape, spec.dtype)[(*before, slice(None), *after)]
        return np.concatenate(parts, axis=kept) if len(parts) > 1 else np.array(parts[0])

    def _chunk(self, number: int) -> np.ndarray:
        """A view of one chunk's file."""
        file = self.folder / self.spec.chunk_file(number)
        try:
            return np.memmap(file, self.dtype, "r", shape=self.spec.chunk_shape or (1,)).reshape(
                self.spec.chunk_shape
            )
        except (OSError, ValueError) as error:
            raise StoreError(f"{file} is missing or damaged ({error}).") from error
