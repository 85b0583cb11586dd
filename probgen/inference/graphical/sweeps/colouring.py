"""Colours for a network: variables of one colour are independent given all others.

Bipartite networks (grids, trees) get two colours at once; others the better of two greedy
orders, largest degree first (Welsh & Powell 1967) and smallest last (Matula & Beck 1983).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from probgen.targets.factors import Factors

__all__ = ["Colouring", "colour"]


@dataclass(frozen=True)
class Colouring:
    """`colours` of each free variable; `order` puts those of one colour side by side."""

    colours: np.ndarray
    order: np.ndarray
    count: int


def colour(factors: Factors) -> Colouring:
    """Colour the free variables' interaction graph in time near linear in its edges."""
    neighbours = [list(others) for others in factors.neighbours]
    colours = _two_colours(neighbours)
    if colours is None:
        candidates = (
            _greedy(neighbours, _largest_first(neighbours)),
            _greedy(neighbours, _smallest_last(neighbours)),
        )
        colours = min(candidates, key=lambda found: int(found.max()))
    order = np.argsort(colours, kind="stable").astype(np.int32)
    return Colouring(colours, order, int(colours.max()) + 1 if len(colours) else 0)


def _two_colours(neighbours: list[list[int]]) -> np.ndarray | None:
    """Breadth-first 2-colouring, or None when the graph has an odd cycle."""
    colours = np.full(len(neighbours), -1, dtype=np.int32).tolist()
    for root in range(len(neighbours)):
        if colours[root] >= 0:
            continue
        colours[root] = 0
        queue = deque([root])
        while queue:
            v = queue.popleft()
            for w in neighbours[v]:
                if colours[w] < 0:
                    colours[w] = 1 - colours[v]
                    queue.append(w)
                elif colours[w] == colours[v]:
                    return None
    return np.array(colours, dtype=np.int32)


def _largest_first(neighbours: list[list[int]]) -> list[int]:
    return sorted(range(len(neighbours)), key=lambda v: -len(neighbours[v]))


def _smallest_last(neighbours: list[list[int]]) -> list[int]:
    """Take away a vertex of smallest remaining degree again and again; colour in reverse."""
    degrees = [len(others) for others in neighbours]
    buckets: list[list[int]] = [[] for _ in range(max(degrees, default=0) + 1)]
    for v, degree in enumerate(degrees):
        buckets[degree].append(v)
    gone = [False] * len(neighbours)
    removed: list[int] = []
    lowest = 0
    while len(removed) < len(neighbours):
        while not buckets[lowest]:
            lowest += 1
        v = buckets[lowest].pop()
        if gone[v] or degrees[v] != lowest:
            continue
        gone[v] = True
        removed.append(v)
        for w in neighbours[v]:
            if not gone[w]:
                degrees[w] -= 1
                buckets[degrees[w]].append(w)
        lowest = max(lowest - 1, 0)
    return removed[::-1]


def _greedy(neighbours: list[list[int]], order: Iterable[int]) -> np.ndarray:
    colours = [-1] * len(neighbours)
    for v in order:
        taken = {colours[w] for w in neighbours[v]}
        free = 0
        while free in taken:
            free += 1
        colours[v] = free
    return np.array(colours, dtype=np.int32)
