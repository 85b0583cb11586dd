"""Arrays of one chunk, written whole, and the files that every array must have."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from probgen.errors import StoreError
from probgen.results.store.files import replace_file
from probgen.results.store.metadata import ArraySpec

__all__ = ["check_chunks", "write_whole"]


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
        file = f"{folder}/{spec.chunk_file(number)}"
        try:
            size = os.stat(file).st_size
        except FileNotFoundError as error:
            raise StoreError(f"{file} is missing: the store is damaged.") from error
        if size != spec.chunk_bytes:
            raise StoreError(
                f"{file} is damaged: it has {size} bytes and should have {spec.chunk_bytes}."
            )
