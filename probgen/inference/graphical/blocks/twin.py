"""Block draws in numpy and in the log domain: for machines without a compiler, and for chains
whose weights native code cannot hold because they span more than 300 orders of magnitude.

The same random numbers give the same draws as `block_sweep.cpp`, up to rounding.
"""

from __future__ import annotations

import numpy as np

from probgen.errors import SamplingError
from probgen.inference.graphical.blocks.buckets import Bucket, Slice

__all__ = ["draw_block"]

_BELOW_ONE = 1 - 1e-12


def draw_block(
    buckets: list[Bucket], slices: list[Slice], states: np.ndarray, randoms: dict[int, np.ndarray]
) -> None:
    """Draw a block jointly given the rest, in place.

    `states` is (variables, chains), `randoms` a uniform per chain for each variable of the
    block. Raises `SamplingError` when a chain stands at a state of probability zero.
    """
    chains = states.shape[1]
    pieces = [_pick(piece, states) for piece in slices]
    tables: list[np.ndarray] = []
    messages: list[np.ndarray | None] = []
    for bucket in buckets:
        table = np.zeros(bucket.entries) if bucket.log_shared is None else bucket.log_shared
        table = table[None]  # one row for all chains, until something differs
        for source in bucket.inputs:
            piece = (
                pieces[source.slice] if source.slice is not None else messages[source.bucket or 0]
            )
            assert piece is not None
            table = table + piece[:, source.entry]
        tables.append(table)
        needed = bucket.inputs and bucket.rest
        messages.append(_message(table.reshape(chains, -1, bucket.cards[-1])) if needed else None)
    for bucket, table in zip(reversed(buckets), reversed(tables), strict=True):
        row = np.zeros(chains, dtype=np.int64)
        for v, stride in zip(bucket.rest, bucket.strides, strict=True):
            row += stride * states[v].astype(np.int64)
        entry = row[:, None] + np.arange(bucket.cards[-1])
        which = np.arange(chains)[:, None] if len(table) > 1 else 0
        states[bucket.variable] = _choose(table[which, entry], randoms[bucket.variable])


def _pick(piece: Slice, states: np.ndarray) -> np.ndarray:
    offset = np.zeros(states.shape[1], dtype=np.int64)
    for v, stride in zip(piece.outside, piece.strides, strict=True):
        offset += stride * states[v].astype(np.int64)
    return piece.log_table[offset[:, None] + np.arange(piece.size)]


def _message(table: np.ndarray) -> np.ndarray:
    """Logarithm of the sum over the last axis, with maximum 0 in each chain."""
    top = table.max(axis=2)
    safe = np.where(top > -np.inf, top, 0.0)
    with np.errstate(divide="ignore"):
        message = np.log(np.exp(table - safe[..., None]).sum(axis=2)) + safe
    highest = message.max(axis=1, keepdims=True)
    return np.asarray(message - np.where(highest > -np.inf, highest, 0.0))


def _choose(logs: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    top = logs.max(axis=1, keepdims=True)
    if (top == -np.inf).any():
        raise SamplingError(
            "A chain stands at a joint state of probability zero; start from "
            "`starting_states`, which finds possible ones."
        )
    sums = np.cumsum(np.exp(logs - top), axis=1)
    target = uniform * (sums[:, -1] * _BELOW_ONE)
    return np.asarray((target[:, None] >= sums).sum(axis=1))
