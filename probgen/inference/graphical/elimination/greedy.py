"""Elimination order without a compiler: greedy min-fill, ties broken by the smaller table.

The twin of `native/elimination_order.cpp`, which also tries other rules and restarts.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence

import numpy as np

__all__ = ["eliminate_greedily"]


def eliminate_greedily(
    cards: Sequence[int], neighbours: list[set[int]], stages: np.ndarray | None = None
) -> tuple[list[int], list[list[int]]]:
    """Eliminate all variables, cheapest first; variables of a lower stage before a higher one.

    Returns the order and, for each eliminated variable, its neighbours at that time (Kjaerulff
    1990). `neighbours` is used up.
    """
    logs = [math.log(card) for card in cards]
    stage = [0] * len(cards) if stages is None else stages.tolist()

    def price(v: int) -> tuple[int, int, float, int]:
        around = neighbours[v]
        linked = sum(len(around & neighbours[a]) for a in around)
        missing = (len(around) * (len(around) - 1) - linked) // 2
        return stage[v], missing, logs[v] + sum(logs[a] for a in around), v

    prices = [price(v) for v in range(len(cards))]
    queue = list(prices)
    heapq.heapify(queue)
    done = [False] * len(cards)
    order, buckets = [], []
    while queue:
        entry = heapq.heappop(queue)
        v = entry[-1]
        if done[v] or entry != prices[v]:
            continue
        done[v] = True
        around = neighbours[v]
        order.append(v)
        buckets.append(sorted(around))
        touched = _join(neighbours, v, entry[1] > 0)
        for a in touched:
            prices[a] = price(a)
            heapq.heappush(queue, prices[a])
    return order, buckets


def _join(neighbours: list[set[int]], gone: int, incomplete: bool) -> set[int]:
    """Tie the neighbours of `gone` together without it; those whose prices change."""
    around = neighbours[gone]
    touched = set(around)
    for a in around:
        neighbours[a] |= around
        neighbours[a] -= {a, gone}
    if incomplete:
        for a in around:
            touched |= neighbours[a]
    return touched
