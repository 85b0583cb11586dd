"""The buckets of all blocks as the flat arrays that native code walks through."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from probgen.inference.graphical.blocks.buckets import Bucket, Slice

__all__ = ["Program"]

NONE = -1

Block = tuple[list[Bucket], list[Slice]]


class _Pointers(ctypes.Structure):
    """`Program` of `block_sweep.cpp`."""

    _fields_ = [
        ("blocks", ctypes.c_int64),
        ("variables", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in (
            "block_buckets", "block_slices", "slices", "outside", "slice_tables", "buckets",
            "rest", "inputs", "entries", "numbers",
        )),
    ]  # fmt: skip


class Program:
    """Blocks for `block_sweep.cpp`; `rows` is the workspace it needs, in numbers per chain."""

    def __init__(self, blocks: Sequence[Block], variables: int):
        self._numbers: list[np.ndarray] = []
        self._entries: list[np.ndarray] = []
        self._count = {"numbers": 0, "entries": 0}
        self._slices: list[tuple[int, int, int, int]] = []
        self._slice_tables: list[int] = []
        self._outside: list[tuple[int, int]] = []
        self._buckets: list[tuple[int, ...]] = []
        self._rest: list[tuple[int, int]] = []
        self._inputs: list[tuple[int, int]] = []
        cards = [bucket.cards[-1] for buckets, _ in blocks for bucket in buckets]
        self._reserved = self.rows = max(cards, default=0)  # weights of the variable being drawn
        block_buckets, block_slices = [0], [0]
        for buckets, slices in blocks:
            self._add(buckets, slices)
            block_buckets.append(len(self._buckets))
            block_slices.append(len(self._slices))
        self.longest = max((len(buckets) for buckets, _ in blocks), default=0)
        self._arrays = [  # what the pointers point to
            np.array(block_buckets, dtype=np.int64),
            np.array(block_slices, dtype=np.int64),
            np.array(self._slices, dtype=np.int64),
            np.array(self._outside, dtype=np.int64),
            np.array(self._slice_tables, dtype=np.int64),
            np.array(self._buckets, dtype=np.int64),
            np.array(self._rest, dtype=np.int64),
            np.array(self._inputs, dtype=np.int64),
            np.concatenate([*self._entries, np.zeros(0, dtype=np.int32)]),
            np.concatenate([*self._numbers, np.zeros(0)]),
        ]
        addresses = (array.ctypes.data for array in self._arrays)
        self.pointers = _Pointers(len(blocks), variables, *addresses)

    def _add(self, buckets: list[Bucket], slices: list[Slice]) -> None:
        """Append one block; workspace is shared by all blocks, one after the other."""
        row = self._reserved
        slice_place, message_place = [], {}
        for piece in slices:
            begin = len(self._outside)
            self._outside.extend(zip(piece.outside, piece.strides, strict=True))
            self._slices.append((begin, len(self._outside), piece.size, row))
            self._slice_tables.append(self._keep("numbers", np.exp(piece.log_table)))
            slice_place.append(row)
            row += piece.size
        for i, bucket in enumerate(buckets):
            shared = message = NONE
            if bucket.log_shared is not None:
                weights = _weights(bucket)
                shared = self._keep("numbers", weights)
            rest_entries = bucket.entries // bucket.cards[-1]
            if bucket.inputs and bucket.rest:
                message, row = row, row + rest_entries
            message_place[i] = message
            first_input, first_rest = len(self._inputs), len(self._rest)
            for source in bucket.inputs:
                place = (
                    slice_place[source.slice]
                    if source.slice is not None
                    else message_place[source.bucket or 0]
                )
                self._inputs.append((place, self._keep("entries", source.entry)))
            self._rest.extend(zip(bucket.rest, bucket.strides, strict=True))
            self._buckets.append(
                (bucket.variable, bucket.cards[-1], rest_entries, shared, message,
                 first_input, len(self._inputs), first_rest, len(self._rest))
            )  # fmt: skip
        self.rows = max(self.rows, row)

    def _keep(self, kind: str, array: np.ndarray) -> int:
        begin = self._count[kind]
        (self._numbers if kind == "numbers" else self._entries).append(array)
        self._count[kind] += array.size
        return begin


def _weights(bucket: Bucket) -> np.ndarray:
    """What all chains share, as weights; each row of a bucket drawn from it alone has maximum 1,
    so that rows far below the largest do not vanish."""
    assert bucket.log_shared is not None
    if bucket.inputs:
        return np.exp(bucket.log_shared)
    rows = bucket.log_shared.reshape(-1, bucket.cards[-1])
    top = rows.max(axis=1, keepdims=True)
    return np.exp(rows - np.where(top > -np.inf, top, 0.0)).ravel()
