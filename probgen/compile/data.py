"""Data on their way into a compiled function: examined in blocks, copied only if need be.

A constant may be most of the memory of the machine. Nothing here makes a temporary array of its
size: comparisons stop at the first difference, hashes run over blocks, and an array that is
dense in memory and of a type that the generated code reads is used where it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np

__all__ = ["LARGE", "content", "digest_into", "in_table_form", "strided", "varies_along"]

LARGE = 1 << 18  # elements of data that are read where they are, rather than rearranged
_BLOCK = 1 << 16  # elements that are looked at together
_VERBATIM = 1 << 12  # bytes up to which the content itself is the key


def varies_along(array: np.ndarray, dim: int) -> bool:
    """Whether the elements of `array` differ anywhere along `dim`; NaN differs from itself."""
    if array.shape[dim] < 2:
        return False
    if array.size <= _BLOCK:
        return bool((array != array[(slice(None),) * dim + (slice(1),)]).any())
    rows = np.moveaxis(array, dim, 0)
    step = max(1, _BLOCK // max(rows[0].size, 1))
    starts = [1, *range(2, len(rows), step)]
    stops = [*starts[1:], len(rows)]
    return any(
        _differ(rows[0], rows[start:stop]) for start, stop in zip(starts, stops, strict=True)
    )


def _differ(first: np.ndarray, rows: np.ndarray) -> bool:
    if first.size <= _BLOCK:
        return bool((rows != first).any())
    axis = int(np.argmax(first.shape))
    across, along = np.moveaxis(first, axis, 0), np.moveaxis(rows, axis + 1, 1)
    step = max(1, _BLOCK // across[0].size)
    return any(
        bool((along[:, start : start + step] != across[start : start + step]).any())
        for start in range(0, len(across), step)
    )


def in_table_form(array: np.ndarray) -> np.ndarray:
    """As float64, int32 or uint8 (for truth values), dense in memory.

    Integers that do not fit 32 bits become float64. Small arrays become row-major; `LARGE` ones
    may have their dimensions in any order, and are the array itself where that is possible.
    """
    kind = array.dtype.kind
    wide = kind in "iu" and (array.max() >= 2**31 or array.min() <= -(2**31))
    dtype = np.uint8 if kind == "b" else np.float64 if kind == "f" or wide else np.int32
    if array.size < LARGE or not _dense(array):
        array = np.ascontiguousarray(array)
    return array.astype(dtype, order="K", copy=False)


def strided(
    array: np.ndarray, shape: Sequence[int], strides: Sequence[int], offset: int
) -> np.ndarray:
    """A row-major copy of the elements offset + sum(i * strides) of the memory of `array`."""
    flat = array.reshape(-1)
    steps = [stride * flat.itemsize for stride in strides]
    return np.ascontiguousarray(np.lib.stride_tricks.as_strided(flat[offset:], shape, steps))


def content(array: np.ndarray) -> bytes:
    """What is the same for equal contiguous arrays of one type only."""
    if array.nbytes <= _VERBATIM:
        return array.tobytes()
    return hashlib.sha256(array.reshape(-1).view(np.uint8).data).digest()


def digest_into(digest: hashlib._Hash, array: np.ndarray) -> None:
    """Add the elements of `array`, in row-major order, to a hash, without a copy of the whole."""
    for block in _blocks(array):
        digest.update(np.ascontiguousarray(block).reshape(-1).view(np.uint8).data)


def _blocks(array: np.ndarray) -> Iterator[np.ndarray]:
    if array.flags.c_contiguous or array.size <= _BLOCK or array.ndim < 2:
        yield array
        return
    inner = max(array[0].size, 1)
    if inner > _BLOCK:
        for row in array:
            yield from _blocks(row)
        return
    step = max(1, _BLOCK // inner)
    for start in range(0, len(array), step):
        yield array[start : start + step]


def _dense(array: np.ndarray) -> bool:
    """Whether the elements fill a block of memory without gaps, each once."""
    steps = sorted((s, n) for n, s in zip(array.shape, array.strides, strict=True) if n > 1)
    expected = array.itemsize
    for stride, size in steps:
        if stride != expected:
            return False
        expected *= size
    return True
