"""Orders within the rows of a layered drawing: few crossings, clusters kept together."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from probgen.declare.drawing.plates import Cluster
from probgen.declare.drawing.rows import Edge

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Order"]


class Order:
    """Orders of the nodes in each row, with every cluster's nodes side by side."""

    def __init__(
        self,
        root: Cluster,
        row: Mapping[Hashable, int],
        chains: Mapping[Edge, list[Hashable]],
    ) -> None:
        self.root, self.row = root, row
        self.paths = {node: root.find(node) for node in row}
        self.up: dict[Hashable, list[Hashable]] = {node: [] for node in row}
        self.down: dict[Hashable, list[Hashable]] = {node: [] for node in row}
        for chain in chains.values():
            for above, below in itertools.pairwise(chain):
                self.up[below].append(above)
                self.down[above].append(below)
        self.rows: list[list[Hashable]] = [[] for _ in range(1 + max(row.values(), default=0))]
        self.spot: dict[Hashable, float] = {}

    def sweep(self, graph: nx.DiGraph, sweeps: int = 24) -> None:
        """Sort by the places of neighbours, down and up, and keep the order that crosses least."""
        keys = {node: float(k) for k, node in enumerate(_start(graph, self))}
        self._sort(keys)
        best, fewest = [list(r) for r in self.rows], self.crossings()
        for k in range(sweeps):
            near = self.up if k % 2 == 0 else self.down
            for r in range(len(self.rows)) if k % 2 == 0 else reversed(range(len(self.rows))):
                for node in self.rows[r]:
                    beside = near[node] or (self.down if k % 2 == 0 else self.up)[node]
                    spots = [self.spot[other] for other in beside]
                    keys[node] = float(np.mean(spots)) if spots else self.spot[node]
                self._sort(keys)
            count = self.crossings()
            if count < fewest:
                best, fewest = [list(r) for r in self.rows], count
        self.rows = best
        self._number()

    def _sort(self, keys: Mapping[Hashable, float]) -> None:
        cluster_keys: dict[int, tuple[float, int]] = {}
        self._cluster_keys(self.root, keys, cluster_keys)
        self.rows = [[] for _ in self.rows]
        for node, r in self.row.items():
            self.rows[r].append(node)

        def path(node: Hashable) -> list[tuple[float, int]]:
            around = [cluster_keys[id(cluster)] for cluster in self.paths[node][1:]]
            return [*around, (keys[node], 0)]

        for nodes in self.rows:
            nodes.sort(key=path)
        self._number()

    def _number(self) -> None:
        for nodes in self.rows:
            for k, node in enumerate(nodes):
                self.spot[node] = k - (len(nodes) - 1) / 2

    def _cluster_keys(
        self,
        cluster: Cluster,
        keys: Mapping[Hashable, float],
        found: dict[int, tuple[float, int]],
    ) -> float:
        for k, child in enumerate(cluster.children):
            found[id(child)] = (self._cluster_keys(child, keys, found), k + 1)
        if cluster.ordered and cluster.children:
            self._keep_order(cluster, found)
        members = cluster.members()
        return float(np.mean([keys[node] for node in members])) if members else 0.0

    def _keep_order(self, cluster: Cluster, found: dict[int, tuple[float, int]]) -> None:
        """Ordered children keep their order, or all of it reversed."""
        means = [found[id(child)][0] for child in cluster.children]
        children = cluster.children if means[0] <= means[-1] else cluster.children[::-1]
        base = float(np.mean(means))
        for k, child in enumerate(children):
            found[id(child)] = (base + 1e-6 * k, found[id(child)][1])

    def crossings(self) -> int:
        """How many pairs of edges cross between neighbouring rows."""
        total = 0
        for nodes in self.rows:
            ends = np.array([(self.spot[a], self.spot[b]) for a in nodes for b in self.down[a]])
            if len(ends) > 1:
                above = ends[:, None, 0] - ends[None, :, 0]
                below = ends[:, None, 1] - ends[None, :, 1]
                total += int((above * below < 0).sum()) // 2
        return total


def _start(graph: nx.DiGraph, order: Order) -> list[Hashable]:
    """All nodes in the order of a depth-first search of the graph without directions."""
    seen: dict[Hashable, None] = {}
    roots = sorted(order.row, key=lambda node: order.row[node])
    for root in roots:
        stack = [root]
        while stack:
            node = stack.pop()
            if node not in seen:
                seen[node] = None
                stack += [*reversed(order.up[node]), *reversed(order.down[node])]
    return list(seen)
