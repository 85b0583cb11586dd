"""A directory that a run grows in: draws in Zarr v3 arrays, and the state to go on from.

    RUN/zarr.json                  the tree as it stands: shapes, dimensions, attributes
    RUN/posterior/theta/c/0/0/0    chunks of draws
    RUN/checkpoint/zarr.json       the manifest: what was asked for, of which model
    RUN/checkpoint/start/c/0       data and starting points (safetensors)
    RUN/checkpoint/state/c/0       where the run stands (safetensors)

A commit writes draws, then the tree's metadata, then the state, each file whole or not at all:
killed at any moment, the store is readable, and never behind its state. `checkpoint` is a group
of Zarr arrays too, but the tree's metadata do not list it, so that only probgen sees it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from probgen.errors import StoreError
from probgen.results.store.arrays import append_rows, check_chunks, chunk_length, write_whole
from probgen.results.store.checkpoint import Checkpoint, read_manifest
from probgen.results.store.files import Lock, explained, replace_file
from probgen.results.store.metadata import (
    COORDINATES,
    GROWING,
    ArraySpec,
    array_of,
    group_document,
)
from probgen.results.store.place import make_room
from probgen.results.store.reading import read_root
from probgen.results.store.state import KernelState
from probgen.results.store.tensors import pack

__all__ = ["Store"]

_DESCRIBED = ("posterior", "marginals")
"""Groups that carry the attributes of the run beside the root."""


class Store:
    """The store of one run, open for writing; a context manager that lets go of its lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._partial = path / "checkpoint" / "state" / "c" / "partial"
        self.lock = Lock(path / "checkpoint" / "state" / "c" / "lock", path)
        self.attrs: dict[str, Any] = {}
        self._arrays: dict[str, ArraySpec] = {}
        self._labels: dict[str, str] = {}  # coordinates that are no index, by group

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
                store._json(path / "zarr.json", group_document({}, {}))
                store.write_manifest(manifest)
            except BaseException:
                store.close()
                raise
        return store

    @classmethod
    def reopen(cls, path: str | Path) -> tuple[Store, Checkpoint]:
        """The store of an earlier run, cut back to where its state stands.

        Raises `StoreError` when there is none, it is damaged, or another process writes it.
        """
        path = Path(path).expanduser().absolute()
        read_manifest(path)  # its errors come before a lock is taken
        with explained(path, "opened for writing"):
            store = cls(path)
        try:
            checkpoint = Checkpoint.read(path)
            store._restore(checkpoint.lengths)
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
        found: dict[str, int] = {}
        for key, spec in self._arrays.items():
            if spec.axis is not None:
                found[key.partition("/")[0]] = spec.shape[spec.axis]
        return found

    def append(self, groups: Mapping[str, xr.Dataset], planned: int) -> None:
        """Write further draws of all chains; what does not grow is written once.

        `planned` is how many draws there will be. Seen by readers after the next `commit`.
        """
        variables = self._variables(groups)
        rows = [v.nbytes // max(v.sizes[GROWING], 1) for _, v in variables if GROWING in v.dims]
        chunk = chunk_length(max(rows, default=1), planned)
        for key, variable in variables:
            spec = self._arrays.get(key)
            if spec is None:
                spec = _spec_of(variable, chunk)
                if spec.axis is None:
                    self._put(key, spec, variable)
                    continue
            if spec.axis is None:
                continue
            values = variable.values
            start = spec.shape[spec.axis]
            if spec.dims == (GROWING,):
                values = np.arange(start, start + len(values))
            self._check(key, spec, values)
            append_rows(self.path / key, spec, values)
            grown = [*spec.shape]
            grown[spec.axis] += values.shape[spec.axis]
            self._arrays[key] = replace(spec, shape=tuple(grown))

    def put(self, groups: Mapping[str, xr.Dataset]) -> None:
        """Write what does not grow, in place of what was there."""
        for key, variable in self._variables(groups):
            if GROWING not in variable.dims:
                self._put(key, _spec_of(variable, 1), variable)

    def commit(self, attrs: Mapping[str, Any], state: KernelState | None, finished: bool) -> None:
        """Let readers see what was appended, and make `state` the one to go on from."""
        self.attrs = dict(attrs)
        nodes: dict[str, dict[str, Any]] = {}
        groups: dict[str, dict[str, dict[str, Any]]] = {}
        for key, spec in self._arrays.items():
            group, _, name = key.partition("/")
            document = spec.document()
            groups.setdefault(group, {})[name] = document
            nodes.setdefault(group, self._group(group))
            nodes[key] = document
            self._json(self.path / key / "zarr.json", document)
        for group, below in groups.items():
            own = nodes[group]["attributes"]
            self._json(self.path / group / "zarr.json", group_document(own, below))
        self._json(self.path / "zarr.json", group_document(self.attrs, nodes))
        self._write_bytes("state", Checkpoint(state, self.lengths, finished).pack())

    def start_again(self) -> None:
        """Take all draws out of sight, to be written anew."""
        self._arrays.clear()
        self.commit(self.attrs, None, False)

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Replace what says what was asked for."""
        self._json(
            self.path / "checkpoint" / "zarr.json", group_document({"probgen": dict(manifest)})
        )

    def _group(self, group: str) -> dict[str, Any]:
        labels = {COORDINATES: self._labels[group]} if self._labels.get(group) else {}
        return group_document({**(self.attrs if group in _DESCRIBED else {}), **labels})

    def _variables(self, groups: Mapping[str, xr.Dataset]) -> list[tuple[str, xr.Variable]]:
        """Every variable of every group by its path."""
        found = []
        for group, dataset in groups.items():
            for name, variable in dataset.variables.items():
                text = str(name)
                if text in (".", "..") or "/" in text or "\0" in text:
                    raise StoreError(f"The name {text!r} cannot be stored: rename that site.")
                if variable.dtype.kind in "mM":  # as whole numbers and a unit
                    variable = xr.conventions.encode_cf_variable(variable, name=name)
                found.append((f"{group}/{text}", variable))
            labels = [str(name) for name in dataset.coords if name not in dataset.dims]
            self._labels[group] = " ".join(labels)
        return found

    def _put(self, key: str, spec: ArraySpec, variable: xr.Variable) -> None:
        write_whole(self.path / key, spec, variable.values, self._partial)
        self._arrays[key] = spec

    def _check(self, key: str, spec: ArraySpec, values: np.ndarray) -> None:
        axis = spec.axis or 0
        expected = spec.shape[:axis] + spec.shape[axis + 1 :]
        given = values.shape[:axis] + values.shape[axis + 1 :]
        if expected != given or not np.can_cast(values.dtype, spec.dtype, "same_kind"):
            raise StoreError(
                f"{self.path / key} holds {spec.dtype} of shape {spec.shape}; values of type "
                f"{values.dtype} and shape {values.shape} do not continue it."
            )

    def _restore(self, lengths: Mapping[str, int]) -> None:
        """Take up the arrays as they were at the state; what came after it is made again."""
        self.attrs, nodes = read_root(self.path)
        for key, document in nodes.items():
            if document.get("node_type") != "array":
                self._labels[key] = document["attributes"].get(COORDINATES, "")
                continue
            spec = array_of(document)
            length = lengths.get(key.partition("/")[0], 0)
            if spec.axis is not None:
                if length > spec.shape[spec.axis]:
                    raise StoreError(f"{self.path / key} is shorter than the run's state says.")
                if length == 0:
                    continue
                cut = [*spec.shape]
                cut[spec.axis] = length
                spec = replace(spec, shape=tuple(cut))
            check_chunks(self.path / key, spec)
            self._arrays[key] = spec

    def _write_bytes(self, name: str, content: bytes) -> None:
        """A safetensors file as an array of bytes, so that the directory is all Zarr."""
        folder = self.path / "checkpoint" / name
        spec = ArraySpec(("byte",), np.dtype("u1"), (len(content),), 1)
        replace_file(folder / "c" / "0", content, self._partial)
        self._json(folder / "zarr.json", spec.document())

    def _json(self, path: Path, document: Mapping[str, Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, json.dumps(document).encode(), self._partial)


def _spec_of(variable: xr.Variable, chunk: int) -> ArraySpec:
    """The array that a variable becomes, without any draws yet."""
    values = variable.values
    if values.dtype.kind in "OT":
        values = values.astype(str)
    dtype = values.dtype.newbyteorder("<")
    dims = tuple(map(str, variable.dims))
    shape = tuple(0 if dim == GROWING else size for dim, size in variable.sizes.items())
    return ArraySpec(dims, dtype, shape, chunk, dict(variable.attrs))
