"""Elimination orders by min-fill, and cutsets that keep the tables of an order small.

Min-fill: Kjaerulff (1990). Conditioning on variables until the rest is cheap to eliminate is the
w-cutset of Bidyuk & Dechter (2007).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Order", "eliminate", "induced"]

Graph = dict[int, set[int]]


@dataclass(frozen=True)
class Order:
    """An elimination order of some variables.

    `cliques[i]` is variable `variables[i]` followed by those it meets when it is eliminated;
    `cutset` are the variables that were conditioned on instead.
    """

    variables: tuple[int, ...]
    cliques: tuple[tuple[int, ...], ...]
    cutset: tuple[int, ...]

    def entries(self, cards: np.ndarray) -> float:
        """Table entries of all cliques together."""
        return math.fsum(_size(clique, cards) for clique in self.cliques)

    def chain_entries(self, cards: np.ndarray, open_variables: set[int]) -> float:
        """Of these, those that depend on variables outside, and differ between chains.

        `open_variables` share a factor with a variable outside.
        """
        place = {v: i for i, v in enumerate(self.variables)}
        reached = set(open_variables)
        total = 0.0
        for variable, *rest in self.cliques:
            if variable in reached:
                total += _size((variable, *rest), cards)
                if rest:
                    reached.add(min(rest, key=place.__getitem__))
        return total

    def largest(self, cards: np.ndarray) -> float:
        """Table entries of the largest clique."""
        return max((_size(clique, cards) for clique in self.cliques), default=0.0)


def induced(neighbours: Sequence[set[int]], variables: Sequence[int]) -> Graph:
    """The graph of some variables alone."""
    inside = set(variables)
    return {v: neighbours[v] & inside for v in variables}


def eliminate(
    graph: Graph,
    cards: np.ndarray,
    largest: float = math.inf,
    keep: Mapping[int, float] | None = None,
) -> Order:
    """A min-fill order of `graph`, which is used up.

    Where every clique to come has more than `largest` entries, a variable of the one with the
    least fill is conditioned on: the one that helps most among those with the least `keep`.
    """
    keep = keep or {}
    version = dict.fromkeys(graph, 0)
    bound = math.log(largest) + 1e-9
    logs = {v: math.log(cards[v]) for v in graph}
    heap = [(*_cost(graph, logs, v, bound), 0, v) for v in graph]
    heapq.heapify(heap)
    variables, cliques, cutset = [], [], []
    while heap:
        large, _, _, at, v = heapq.heappop(heap)
        if v not in graph or at != version[v]:
            continue
        clique = (v, *sorted(graph[v]))
        if large:
            cut = min(clique, key=lambda u: (keep.get(u, 0.0), -len(graph[u]) * logs[u], u))
            cutset.append(cut)
            dirty = graph.pop(cut)
            for u in dirty:
                graph[u].discard(cut)
        else:
            variables.append(v)
            cliques.append(clique)
            near = graph.pop(v)
            dirty = set(near)
            for u in near:
                graph[u].discard(v)
            for u in near:
                if not near <= graph[u] | {u}:
                    graph[u] |= near - {u}
                dirty |= graph[u]
        for u in dirty:
            version[u] += 1
            heapq.heappush(heap, (*_cost(graph, logs, u, bound), version[u], u))
    return Order(tuple(variables), tuple(cliques), tuple(cutset))


def _cost(
    graph: Graph, logs: Mapping[int, float], v: int, bound: float
) -> tuple[bool, int, float]:
    """Whether the clique of `v` is too large, the edges it adds, and its log entries."""
    near = graph[v]
    missing = 0
    size = logs[v]
    for u in near:
        missing += len(near) - 1 - len(near & graph[u])
        size += logs[u]
    return size > bound, missing // 2, size


def _size(clique: Sequence[int], cards: np.ndarray) -> float:
    return math.prod(float(cards[v]) for v in clique)
