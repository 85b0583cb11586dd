"""A block as a tree of buckets: what is computed once, and what anew for each chain and sweep.

Bucket elimination (Dechter 1999): bucket i holds the factors whose first eliminated variable is
its own, and the messages of earlier buckets; summing its variable out is its message. A bucket
that no variable outside the block reaches, directly or through messages, is the same for all
chains and becomes a table of cumulative probabilities here. For the others the part that all
chains share is multiplied out here, and factors that reach outside become slices: at run time
the states outside pick one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from probgen.inference.graphical.blocks.order import eliminate, induced
from probgen.targets.factors import Factors

__all__ = ["Bucket", "Input", "Slice", "make_buckets"]


@dataclass(frozen=True)
class Slice:
    """A factor that reaches outside the block: a table per joint state of `outside`.

    `log_table` is flat, slice after slice of `size` entries each with maximum 0 (or all -inf);
    `strides` are what one state of each outside variable moves on, in entries.
    """

    outside: tuple[int, ...]
    strides: tuple[int, ...]
    size: int
    log_table: np.ndarray


@dataclass(frozen=True)
class Input:
    """Something a bucket multiplies in for each chain: a slice, or the message of a bucket.

    `entry[e]` is its entry that belongs to entry e of the bucket's table.
    """

    slice: int | None
    bucket: int | None
    entry: np.ndarray


@dataclass
class Bucket:
    """One variable of a block in elimination order.

    The table's axes are `rest` and then `variable`, in C order; a message's axes are `rest`.
    `log_shared` is what all chains share of the table, flat, with maximum 0, or None for
    nothing. A bucket without `inputs` is drawn from `log_shared` alone.
    """

    variable: int
    rest: tuple[int, ...]
    cards: tuple[int, ...]
    log_shared: np.ndarray | None = None
    inputs: list[Input] = field(default_factory=list)

    @property
    def entries(self) -> int:
        """Entries of the table."""
        return int(np.prod(self.cards))

    @property
    def strides(self) -> tuple[int, ...]:
        """What one state of each variable of `rest` moves on in the table, in entries."""
        return tuple(int(np.prod(self.cards[k + 1 :])) for k in range(len(self.rest)))


Part = tuple[tuple[int, ...], np.ndarray]


def make_buckets(factors: Factors, block: Sequence[int]) -> tuple[list[Bucket], list[Slice]]:
    """The buckets of a block in elimination order, and its slices."""
    order = eliminate(induced(factors.neighbours, block), factors.cards)
    place = {v: i for i, v in enumerate(order.variables)}
    shared: list[list[Part]] = [[] for _ in place]
    reaching: list[list[tuple[tuple[int, ...], int | None, int | None]]] = [[] for _ in place]
    slices: list[Slice] = []
    for scope, log_table in zip(factors.scopes, factors.log_tables, strict=True):
        inside = [v for v in scope if v in place]
        if not inside:
            continue
        first = min(place[v] for v in inside)
        if len(inside) == len(scope):
            shared[first].append((scope, log_table))
        else:
            slices.append(_slice(scope, log_table, place))
            reaching[first].append((tuple(inside), len(slices) - 1, None))
    buckets: list[Bucket] = []
    for i, v in enumerate(order.variables):
        scopes = [*(part[0] for part in shared[i]), *(part[0] for part in reaching[i])]
        rest = tuple(sorted({u for scope in scopes for u in scope} - {v}, key=place.__getitem__))
        axes = (*rest, v)
        bucket = Bucket(v, rest, tuple(int(factors.cards[u]) for u in axes))
        if shared[i] or not reaching[i]:
            bucket.log_shared = _multiply(axes, bucket.cards, shared[i])
        for scope, of_slice, of_bucket in reaching[i]:
            entry = _entries(axes, bucket.cards, scope, factors.cards)
            bucket.inputs.append(Input(of_slice, of_bucket, entry))
        buckets.append(bucket)
        if rest and bucket.inputs:
            reaching[place[rest[0]]].append((rest, None, i))
        elif rest:
            assert bucket.log_shared is not None
            table = bucket.log_shared.reshape(bucket.cards)
            shared[place[rest[0]]].append((rest, _log_sum(table)))
    return buckets, slices


def _slice(scope: tuple[int, ...], log_table: np.ndarray, place: dict[int, int]) -> Slice:
    outside = [axis for axis, v in enumerate(scope) if v not in place]
    inside = [axis for axis, v in enumerate(scope) if v in place]
    size = int(np.prod([log_table.shape[axis] for axis in inside]))
    table = np.transpose(log_table, (*outside, *inside)).reshape(-1, size)
    top = table.max(axis=1, keepdims=True)
    table = table - np.where(top > -np.inf, top, 0.0)
    shape = [log_table.shape[axis] for axis in outside]
    strides = tuple(size * int(np.prod(shape[k + 1 :])) for k in range(len(shape)))
    return Slice(tuple(scope[axis] for axis in outside), strides, size, table.ravel())


def _multiply(axes: tuple[int, ...], cards: tuple[int, ...], parts: list[Part]) -> np.ndarray:
    total = np.zeros(cards)
    for scope, log_table in parts:
        ordered = np.transpose(log_table, np.argsort([axes.index(v) for v in scope]))
        total += ordered.reshape(
            [c if v in scope else 1 for v, c in zip(axes, cards, strict=True)]
        )
    top = total.max()
    return np.ascontiguousarray((total - (top if top > -np.inf else 0.0)).ravel())


def _entries(
    axes: tuple[int, ...], cards: tuple[int, ...], scope: Sequence[int], all_cards: np.ndarray
) -> np.ndarray:
    """For each entry of a table over `axes` the flat entry of one over `scope`, int32."""
    total = np.zeros(cards, dtype=np.int32)
    stride = 1
    for v in reversed(scope):
        shape = [1] * len(axes)
        shape[axes.index(v)] = -1
        total += (stride * np.arange(all_cards[v], dtype=np.int32)).reshape(shape)
        stride *= int(all_cards[v])
    return total.ravel()


def _log_sum(table: np.ndarray) -> np.ndarray:
    """Logarithm of the sum over the last axis; -inf where all are."""
    top = table.max(axis=-1)
    safe = np.where(top > -np.inf, top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.exp(table - safe[..., None]).sum(axis=-1)) + safe)
