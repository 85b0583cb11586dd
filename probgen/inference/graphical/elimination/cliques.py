"""Maximal cliques of an elimination order and the tree that they form; twin of the C++."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

__all__ = ["pack_plan"]

TOO_MANY_BITS = 60


def pack_plan(
    cards: np.ndarray,
    scopes: Sequence[tuple[int, ...]],
    order: list[int],
    buckets: list[list[int]],
) -> tuple[np.ndarray, float, float]:
    """The packed arrays of an `EliminationPlan`, and its two logarithms.

    `buckets[k]` holds the neighbours of `order[k]` when it was eliminated.
    """
    place = {v: k for k, v in enumerate(order)}
    next_bucket = [min((place[u] for u in bucket), default=-1) for bucket in buckets]
    clique_of, firsts, lasts = _merge(buckets, next_bucket)
    ranks = sorted(range(len(firsts)), key=lambda c: lasts[c])
    renumber = {c: k for k, c in enumerate(ranks)}
    members, separators, parents = [], [], []
    for c in ranks:
        inside = sorted([firsts[c], *(place[u] for u in buckets[firsts[c]])], reverse=True)
        members.append([order[k] for k in inside])
        separators.append(sum(k > lasts[c] for k in inside))
        above = next_bucket[lasts[c]]
        parents.append(-1 if above < 0 else renumber[clique_of[above]])
    homes = [renumber[clique_of[min(place[v] for v in scope)]] for scope in scopes]
    logs = np.log2(cards)
    bits = np.array([float(logs[m].sum()) for m in members])
    largest = float(bits.max(initial=0.0))
    total = largest + math.log2(np.exp2(bits - largest).sum()) if len(bits) else 0.0
    fits = total < TOO_MANY_BITS
    tables = [math.prod(int(cards[v]) for v in m) if fits else 0 for m in members]
    narrow = [
        math.prod(int(cards[v]) for v in m[:s]) if fits and s else 0
        for m, s in zip(members, separators, strict=True)
    ]
    header = [len(order), len(scopes), len(members), sum(map(len, members))]
    header += [sum(tables) if fits else -1, sum(narrow), max(map(len, members), default=0), 0]
    arrays = [order, _offsets(map(len, members)), [v for m in members for v in m]]
    arrays += [separators, parents, _offsets(tables), _offsets(narrow), homes]
    packed = [np.asarray(part, dtype=np.int64) for part in (header, *arrays)]
    return np.concatenate(packed), total, largest


def _merge(
    buckets: list[list[int]], next_bucket: list[int]
) -> tuple[list[int], list[int], list[int]]:
    """Clique of each bucket, and the first and last bucket of each clique.

    A bucket that lacks only the variable just eliminated is part of that one's clique.
    """
    child = [-1] * len(buckets)
    clique_of = [-1] * len(buckets)
    firsts: list[int] = []
    lasts: list[int] = []
    for k, bucket in enumerate(buckets):
        if child[k] >= 0:
            clique_of[k] = clique_of[child[k]]
            lasts[clique_of[k]] = k
        else:
            clique_of[k] = len(firsts)
            firsts.append(k)
            lasts.append(k)
        above = next_bucket[k]
        if above >= 0 and child[above] < 0 and len(buckets[above]) == len(bucket) - 1:
            child[above] = k
    return clique_of, firsts, lasts


def _offsets(sizes: object) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.fromiter(sizes, dtype=np.int64))])  # type: ignore[call-overload]
