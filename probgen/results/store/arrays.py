"""Rows appended to the chunks of an array on disk.

A chunk's file has its full size from the start (a sparse file), and new rows are written where
nobody reads yet: an array is as long as its metadata say. So growing costs what the new rows
cost, whatever the length of a chunk, and a write that is cut short leaves what was there.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from probgen.errors import StoreError
from probgen.results.store.files import replace_file
from probgen.results.store.metadata import ArraySpec

__all__ = ["append_rows", "check_chunks", "chunk_length", "write_whole"]

_CHUNK_BYTES = 16_000_000
_SHORTEST = 256  # draws of a chunk, unless these take more bytes: short runs may be extended


def chunk_length(row_bytes: int, planned: int) -> int:
    """Draws that a chunk holds: about 16 MB, at most `planned` draws in chunks of one length."""
    most = max(1, _CHUNK_BYTES // max(row_bytes, 1))
    planned = max(planned, _SHORTEST)
    chunks = -(-planned // most)
    return -(-planned // chunks)


def append_rows(folder: Path, spec: ArraySpec, values: np.ndarray) -> None:
    """Write `values` behind the end of the array that `spec` describes, in `folder`."""
    axis = spec.axis
    if axis is None:
        raise ValueError("this array does not grow")
    start, stop = spec.shape[axis], spec.shape[axis] + values.shape[axis]
    for number in range(start // spec.chunk, -(-stop // spec.chunk)):
        low, high = max(start, number * spec.chunk), min(stop, (number + 1) * spec.chunk)
        index = (slice(None),) * axis + (slice(low - start, high - start),)
        _write(folder, spec, number, low - number * spec.chunk, values[index])


def _write(folder: Path, spec: ArraySpec, number: int, row: int, values: np.ndarray) -> None:
    """Write rows into one chunk, from `row` on: one stretch for every chain."""
    file = folder / spec.chunk_file(number)
    axis = spec.axis or 0
    lead = int(np.prod(spec.shape[:axis], dtype=np.int64))
    whole = np.ascontiguousarray(values, dtype=spec.dtype).reshape(lead, values.shape[axis], -1)
    row_bytes = spec.dtype.itemsize * whole.shape[2]
    descriptor = _opened(file)
    try:
        if os.fstat(descriptor).st_size != spec.chunk_bytes:
            os.ftruncate(descriptor, spec.chunk_bytes)
        for number_of_stretch, stretch in enumerate(whole):
            offset = (number_of_stretch * spec.chunk + row) * row_bytes
            _write_all(descriptor, stretch, offset)
    finally:
        os.close(descriptor)


def _opened(file: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
    try:
        return os.open(file, flags, 0o644)
    except FileNotFoundError:
        file.parent.mkdir(parents=True, exist_ok=True)
        return os.open(file, flags, 0o644)


def _write_all(descriptor: int, values: np.ndarray, offset: int) -> None:
    left = values.reshape(-1).view(np.uint8)
    while left.size:
        written = os.pwrite(descriptor, left.data, offset)
        left, offset = left[written:], offset + written


def write_whole(folder: Path, spec: ArraySpec, values: np.ndarray, partial: Path) -> None:
    """Write an array of one chunk, replacing what was there."""
    file = folder / spec.chunk_file(0)
    file.parent.mkdir(parents=True, exist_ok=True)
    if values.size:
        replace_file(file, np.ascontiguousarray(values, dtype=spec.dtype).tobytes(), partial)


def check_chunks(folder: Path, spec: ArraySpec) -> None:
    """Raise `StoreError` naming a chunk that is missing or has another size than it must."""
    if 0 in spec.shape:
        return
    chunks = 1 if spec.axis is None else -(-spec.shape[spec.axis] // spec.chunk)
    for number in range(chunks):
        file = folder / spec.chunk_file(number)
        try:
            size = file.stat().st_size
        except FileNotFoundError as error:
            raise StoreError(f"{file} is missing: the store is damaged.") from error
        if size != spec.chunk_bytes:
            raise StoreError(
                f"{file} is damaged: it has {size} bytes and should have {spec.chunk_bytes}."
            )
