"""A directory that a run grows in: draws in Zarr v3 arrays, and the state to go on from.

    RUN/zarr.json                  the tree as it stands: shapes, dimensions, attributes
    RUN/posterior/theta/c/0/0/0    chunks of draws
    RUN/checkpoint/zarr.json       the manifest: what was asked for, of which model
    RUN/checkpoint/start/c/0       data and starting points (safetensors)
    RUN/checkpoint/state/c/0       where the run stands (safetensors)

A commit writes the tree's metadata, then the state, after the draws were written, each file whole
or not at all: killed at any moment, the store is readable, and never behind its state. Files are
not forced onto the disk, so that a power failure may take what was written last; the state holds
a sum of the draws of every array, by which `reopen` notices that. `checkpoint` is a group of Zarr
arrays too, but the tree's metadata do not list it, so that only probgen sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from probgen.errors import StoreError
from probgen.results.store.arrays import check_chunks, write_whole
from probgen.results.store.checkpoint import Checkpoint, read_manifest
from probgen.results.store.documents import Documents
from probgen.results.store.files import Lock, explained, replace_file
from probgen.results.store.growing import Growing, check_sum, chunk_length
from probgen.results.store.metadata import (
    COORDINATES,
    GROWING,
    PLACES,
    ArraySpec,
    array_of,
    group_document,
)
from probgen.results.store.place import make_room
from probgen.results.store.reading import read_root
from probgen.results.store.state import KernelState
from probgen.results.store.tensors import pack
from probgen.results.store.variables import labels_of, spec_of, variables_of

__all__ = ["Store"]


class Store:
    """The store of one run, open for writing; a context manager that lets go of its lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._partial = path / "checkpoint" / "state" / "c" / "partial"
        self.lock = Lock(path / "checkpoint" / "state" / "c" / "lock", path)
        self.attrs: dict[str, Any] = {}
        self._documents = Documents(path, self._partial)
        self._arrays: dict[str, ArraySpec | Growing] = {}
        self._grown: dict[str, dict[str, Growing]] = {}  # of these, by group and name
        self._labels: dict[str, str] = {}  # coordinates that are no index, by group
        self._place = PLACES[0]  # of the arrays that `replace` wrote
        self.replaced = 0
        """Draws that `replace` wrote last."""

    @classmethod
    def create(
        cls,
        path: str | Path,
        manifest: Mapping[str, Any],
        start: Mapping[str, np.ndarray],
        overwrite: bool = False,
    ) -> Store:
        """A new store with its manifest (JSON) and the arrays that the run starts from.

        Raises `StoreError` where something exists already (unless it is a store, and to be
        overwritten), is being written by another process, or cannot be written.
        """
        path = Path(path).expanduser().absolute()
        with explained(path, "made"):
            make_room(path, overwrite)
            for name in ("start", "state"):
                (path / "checkpoint" / name / "c").mkdir(parents=True, exist_ok=True)
            store = cls(path)
            try:
                store._write_bytes("start", pack(start, {}))
                store._documents.write(path / "zarr.json", group_document({}, {}))
                store.write_manifest(manifest)
            except BaseException:
                store.close()
                raise
        return store

    @classmethod
    def reopen(cls, path: str | Path) -> tuple[Store, Checkpoint]:
        """The store of an earlier run, cut back to where its state stands.

        Raises `StoreError` when there is none, it is damaged, or another process writes it. All
        of it is read once to find that out.
        """
        path = Path(path).expanduser().absolute()
        read_manifest(path)  # its errors come before a lock is taken
        with explained(path, "opened for writing"):
            store = cls(path)
        try:
            checkpoint = Checkpoint.read(path)
            store._restore(checkpoint)
        except BaseException:
            store.close()
            raise
        return store, checkpoint

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let others write."""
        self.lock.release()

    @property
    def lengths(self) -> dict[str, int]:
        """Draws in each group that has any."""
        return {g: next(iter(arrays.values())).length for g, arrays in self._grown.items()}

    def append(self, groups: Mapping[str, xr.Dataset], planned: int) -> None:
        """Write further draws of all chains; what does not grow is written once.

        `planned` is how many draws there will be. Seen by readers after the next `commit`.
        """
        variables = self._named(groups)
        rows = [v.nbytes // max(v.sizes[GROWING], 1) for _, v in variables if GROWING in v.dims]
        chunk = chunk_length(max(rows, default=1), planned)
        for key, variable in variables:
            if key not in self._arrays:
                self._begin(key, variable, chunk)
        grown: dict[str, dict[str, np.ndarray]] = {group: {} for group in groups}
        for key, variable in variables:
            group, _, name = key.partition("/")
            if GROWING in variable.dims and name != GROWING:
                grown[group][name] = variable.values
        self.extend(grown)

    def extend(self, values: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """`append` for groups that have draws: the arrays that grow, without coordinates.

        After an error all of them are as long as before.
        """
        growing = [array for group in self._grown.values() for array in group.values()]
        before = [(array, array.length, array.total) for array in growing]
        same: dict[int, Growing] = {}
        try:
            for group, arrays in values.items():
                self._grow(group, arrays, same)
        except BaseException:
            for array, length, total in before:
                array.length, array.total = length, total
            raise

    def put(self, groups: Mapping[str, xr.Dataset]) -> None:
        """Write what does not grow, in place of what was there."""
        for key, variable in self._named(groups):
            if GROWING not in variable.dims:
                self._begin(key, variable, 1)

    def replace(self, groups: Mapping[str, xr.Dataset]) -> None:
        """Write groups in place of what was in them, draws too: those of a run whose draws change.

        Readers see all of the new values or all of the old ones, the new ones after the next
        `commit`. What is written so cannot be appended to, and is not gone on with by `reopen`:
        the state must hold what the run needs of it.
        """
        self._place = PLACES[self._place == PLACES[0]]
        for key, variable in self._named(groups):
            draws = variable.sizes.get(GROWING, 1)
            spec = spec_of(variable, max(draws, 1))
            spec = replace(spec, shape=variable.shape, place=self._place)
            write_whole(self.path / key, spec, variable.values, self._partial)
            self._arrays[key] = spec
            self.replaced = draws if GROWING in variable.dims else self.replaced

    def commit(
        self,
        attrs: Mapping[str, Any],
        state: KernelState | None,
        finished: bool,
        every_node: bool = True,
    ) -> None:
        """Let readers see what was appended, and make `state` the one to go on from.

        Without `every_node`, who opens a group or an array by itself sees it as it was.
        """
        self.attrs = dict(attrs)
        arrays = {key: array.document() for key, array in self._arrays.items()}
        self._documents.describe(arrays, self.attrs, self._labels, every_node)
        sums = {
            f"{g}/{n}": a.total for g, arrays in self._grown.items() for n, a in arrays.items()
        }
        self._write_bytes("state", Checkpoint(state, self.lengths, finished, sums).pack())

    def start_again(self) -> None:
        """Take all draws out of sight, to be written anew."""
        self._arrays.clear()
        self._grown.clear()
        self.commit(self.attrs, None, False)

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Replace what says what was asked for."""
        self._documents.write(
            self.path / "checkpoint" / "zarr.json", group_document({"probgen": dict(manifest)})
        )

    def _named(self, groups: Mapping[str, xr.Dataset]) -> list[tuple[str, xr.Variable]]:
        self._labels |= labels_of(groups)
        return variables_of(groups)

    def _begin(self, key: str, variable: xr.Variable, chunk: int) -> None:
        """Make room for an array, or write one that does not grow."""
        spec = spec_of(variable, chunk)
        if spec.axis is None:
            write_whole(self.path / key, spec, variable.values, self._partial)
            self._arrays[key] = spec
        else:
            self._take_up(key, Growing(self.path / key, spec))

    def _take_up(self, key: str, array: Growing) -> None:
        group, _, name = key.partition("/")
        self._arrays[key] = self._grown.setdefault(group, {})[name] = array

    def _grow(
        self, group: str, values: Mapping[str, np.ndarray], same: dict[int, Growing]
    ) -> None:
        """Append to all arrays of a group; its draws are numbered on.

        `same` has the arrays that objects were appended to so far, by their `id`.
        """
        arrays = dict(self._grown.get(group, {}))
        numbers = arrays.pop(GROWING, None)
        if odd := sorted(arrays.keys() ^ values.keys()):
            raise StoreError(f"{self.path / group / odd[0]} is not in all draws of {group!r}.")
        for name, array in arrays.items():
            array.append(values[name], same.get(id(values[name])))
            same.setdefault(id(values[name]), array)
        if numbers is not None and arrays:
            numbers.append(np.arange(numbers.length, next(iter(arrays.values())).length))

    def _restore(self, checkpoint: Checkpoint) -> None:
        """Take up the arrays as they were at the state; what came after it is made again."""
        self.attrs, nodes = read_root(self.path)
        for key, document in nodes.items():
            if document.get("node_type") != "array":
                self._labels[key] = document["attributes"].get(COORDINATES, "")
                continue
            spec = array_of(document)
            length = checkpoint.lengths.get(key.partition("/")[0], 0)
            if spec.axis is not None:
                if length > spec.shape[spec.axis]:
                    raise StoreError(f"{self.path / key} is shorter than the run's state says.")
                if length == 0:
                    if spec.place in PLACES and checkpoint.state is not None:
                        self._place, self.replaced = spec.place, spec.shape[spec.axis]
                    continue
                cut = [*spec.shape]
                cut[spec.axis] = length
                spec = replace(spec, shape=tuple(cut))
            check_chunks(self.path / key, spec)
            if spec.axis is None:
                self._arrays[key] = spec
                continue
            total = check_sum(self.path / key, spec, checkpoint.sums.get(key))
            self._take_up(key, Growing(self.path / key, spec, total))

    def _write_bytes(self, name: str, content: bytes) -> None:
        """A safetensors file as an array of bytes, so that the directory is all Zarr."""
        folder = self.path / "checkpoint" / name
        spec = ArraySpec(("byte",), np.dtype("u1"), (len(content),), 1)
        replace_file(folder / "c" / "0", content, self._partial)
        self._documents.write(folder / "zarr.json", spec.document())
