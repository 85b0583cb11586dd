"""Strongly connected components of a small directed graph."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["components"]


def components(sources: Sequence[Sequence[int]]) -> list[list[int]]:
    """Components of the graph in which node i needs `sources[i]`, what is needed first.

    Each is sorted. Tarjan's algorithm (1972), without recursion.
    """
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    waiting: list[int] = []
    found: list[list[int]] = []
    done: set[int] = set()
    for root in range(len(sources)):
        if root in order:
            continue
        path = [(root, iter(sources[root]))]
        order[root] = low[root] = len(order)
        waiting.append(root)
        while path:
            node, rest = path[-1]
            source = next(rest, None)
            if source is None:
                path.pop()
                if path:
                    parent = path[-1][0]
                    low[parent] = min(low[parent], low[node])
                if low[node] == order[node]:
                    cut = waiting.index(node)
                    found.append(sorted(waiting[cut:]))
                    done.update(waiting[cut:])
                    del waiting[cut:]
            elif source not in order:
                order[source] = low[source] = len(order)
                waiting.append(source)
                path.append((source, iter(sources[source])))
            elif source not in done:
                low[node] = min(low[node], order[source])
    return found
