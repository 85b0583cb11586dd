"""Rows appended to the chunks of an array on disk, and the sum by which damage is noticed.

A chunk's file has its full size from the start (a sparse file), and new rows are written where
nobody reads yet: an array is as long as its metadata say. So growing costs what the new rows
cost, whatever the length of a chunk, and a write that is cut short leaves what was there.

Two arrays that are given the same values have one file between them, by a hard link: sites that
are unconstrained as they are stand in two groups. Whether a chunk is such a file is asked of the
file system, so that a store that was copied, and has two, goes on with two.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from probgen.errors import StoreError
from probgen.results.store.metadata import ArraySpec

__all__ = ["Growing", "check_sum", "chunk_length", "sum_of"]

_CHUNK_BYTES = 16_000_000
_SHORTEST = 256  # draws of a chunk, unless these take more bytes: short runs may be extended
_MASK = 2**64 - 1


def chunk_length(row_bytes: int, planned: int) -> int:
    """Draws that a chunk holds: about 16 MB, at most `planned` draws in chunks of one length."""
    most = max(1, _CHUNK_BYTES // max(row_bytes, 1))
    planned = max(planned, _SHORTEST)
    chunks = -(-planned // most)
    return -(-planned // chunks)


def sum_of(values: np.ndarray) -> int:
    """The bits of contiguous values as whole numbers, added up modulo 2^64.

    Any flipped bit changes it, and so do rows that were never written out; it costs what reading
    the values costs, and that of a whole is the sum of those of its parts.
    """
    width = min(values.dtype.itemsize & -values.dtype.itemsize, 8)
    return int(np.add.reduce(values.reshape(-1).view(f"u{width}"), dtype=np.uint64))


class Growing:
    """An array that `spec` describes as it stands, in `folder`, with the `total` of its rows."""

    def __init__(self, folder: Path, spec: ArraySpec, total: int = 0) -> None:
        if spec.axis is None:
            raise ValueError("this array does not grow")
        self.folder, self.total, self.axis = folder, total, spec.axis
        self.length = spec.shape[spec.axis]
        self._spec, self._document = spec, spec.document()
        self._lead = math.prod(spec.shape[: self.axis])
        self._row = spec.shape[self.axis + 1 :]
        self._row_bytes = spec.dtype.itemsize * math.prod(self._row)
        self._layout = (spec.dtype, spec.chunk, self.axis, self._lead, self._row_bytes)
        self._made: dict[int, str] = {}
        self._linked: set[int] = set()
        self.appended = self.added = 0  # rows that came last, and their sum

    def document(self) -> dict[str, Any]:
        """What `zarr.json` says of it."""
        shape = [*self._spec.shape]
        shape[self.axis] = self.length
        return {**self._document, "shape": shape}

    def append(self, values: np.ndarray, twin: Growing | None = None) -> None:
        """Write `values` behind the end; raises `StoreError` where they do not continue it.

        `twin` is an array to which the same values have just been appended, if there is one.
        """
        self._check(values)
        if twin is not None and not self._is_like(twin):
            twin = None
        values = np.ascontiguousarray(values, dtype=self._spec.dtype)
        rows, chunk, start = values.shape[self.axis], self._spec.chunk, self.length
        of_chains = values.reshape(self._lead, -1).view(np.uint8)
        for number in range(start // chunk, -(-(start + rows) // chunk)):
            low = max(start, number * chunk)
            high = min(start + rows, (number + 1) * chunk)
            part = slice((low - start) * self._row_bytes, (high - start) * self._row_bytes)
            if twin is None or not self._shares(number, twin):
                self._write(number, low - number * chunk, of_chains[:, part])
        self.length, self.appended = self.length + rows, rows
        added = sum_of(values) if twin is None else twin.added
        self.total, self.added = (self.total + added) & _MASK, added

    def _is_like(self, twin: Growing) -> bool:
        """Whether both have the same values at the same places of their chunks."""
        return self._layout == twin._layout and self.length == twin.length - twin.appended

    def _shares(self, number: int, twin: Growing) -> bool:
        """Whether a chunk is a link to that of `twin`; a new one is made so where it can be."""
        if number in self._linked:
            return True
        file, other = (f"{a.folder}/{a._spec.chunk_file(number)}" for a in (self, twin))
        try:
            if not os.path.exists(file):
                os.makedirs(os.path.dirname(file), exist_ok=True)
                os.link(other, file)
            linked = os.path.samefile(file, other)
        except OSError:  # a file system without links
            return False
        if linked:
            self._linked = {number}  # the latest one
        return linked

    def _write(self, number: int, row: int, stretches: np.ndarray) -> None:
        """Write rows into one chunk, from `row` on: the bytes (chain, byte) of each chain."""
        descriptor = self._opened(number)
        try:
            for place, stretch in enumerate(stretches):
                offset = (place * self._spec.chunk + row) * self._row_bytes
                written = os.pwrite(descriptor, stretch, offset)
                while written < len(stretch):  # a signal, or a file system that gives little
                    written += os.pwrite(descriptor, stretch[written:], offset + written)
        finally:
            os.close(descriptor)

    def _opened(self, number: int) -> int:
        """The file of a chunk, of full size."""
        flags = os.O_RDWR | getattr(os, "O_BINARY", 0)
        if number in self._made:
            return os.open(self._made[number], flags)
        file = f"{self.folder}/{self._spec.chunk_file(number)}"
        os.makedirs(os.path.dirname(file), exist_ok=True)
        descriptor = os.open(file, flags | os.O_CREAT, 0o644)
        try:
            if os.fstat(descriptor).st_size != self._spec.chunk_bytes:
                os.ftruncate(descriptor, self._spec.chunk_bytes)
        except BaseException:
            os.close(descriptor)
            raise
        self._made = {number: file}  # the latest one
        return descriptor

    def _check(self, values: np.ndarray) -> None:
        axis, dtype = self.axis, self._spec.dtype
        expected = (*self._spec.shape[:axis], *self._row)
        given = (*values.shape[:axis], *values.shape[axis + 1 :])
        if expected != given or not (
            values.dtype == dtype or np.can_cast(values.dtype, dtype, "same_kind")
        ):
            raise StoreError(
                f"{self.folder} holds {dtype} of shape {self.document()['shape']}; values of type "
                f"{values.dtype} and shape {values.shape} do not continue it."
            )


def check_sum(folder: Path, spec: ArraySpec, expected: int | None) -> int:
    """The sum of the rows of an array on disk.

    Raises `StoreError` when it is not as `expected`, if that is known.
    """
    total = 0
    lead = math.prod(spec.shape[: spec.axis])
    length = spec.shape[spec.axis or 0] if 0 not in spec.shape else 0
    for number in range(-(-length // spec.chunk)):
        rows = min(spec.chunk, length - number * spec.chunk)
        chunk = np.memmap(folder / spec.chunk_file(number), spec.dtype, "r")
        for stretch in chunk.reshape(lead, spec.chunk, -1):
            total += sum_of(stretch[:rows])
    total &= _MASK
    if expected not in (None, total):
        raise StoreError(
            f"{folder} is damaged: its draws are not those that were written (a broken disk, or "
            "a power failure before they were on it). Start the run again with overwrite=True."
        )
    return total
