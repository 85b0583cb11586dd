"""Every directed acyclic graph over a few nodes, and exact posteriors over them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from probgen.learn.networks.parent_sets import ParentSets

COUNTS = {2: 3, 3: 25, 4: 543, 5: 29281}
"""How many there are (Robinson 1973)."""


@lru_cache(maxsize=8)
def all_dags(nodes: int) -> np.ndarray:
    """Sets of parents as bits, (graph, node)."""
    free = [[m for m in range(1 << nodes) if not m >> v & 1] for v in range(nodes)]
    grid = np.array(np.meshgrid(*free, indexing="ij")).reshape(nodes, -1).T
    left = np.full(len(grid), (1 << nodes) - 1)
    for _ in range(nodes):  # strip nodes without parents among those left
        gone = np.zeros_like(left)
        for v in range(nodes):
            gone |= (((grid[:, v] & left) == 0) & (left >> v & 1 == 1)).astype(int) << v
        left &= ~gone
    return grid[left == 0]


def log_weights(sets: ParentSets, graphs: np.ndarray) -> np.ndarray:
    """Log weight of each graph; -inf where it has a set of parents that is not allowed."""
    total = np.zeros(len(graphs))
    for v in range(sets.nodes):
        table = np.full(1 << sets.nodes, -np.inf)
        table[sets.masks[v].astype(int)] = sets.weights[v]
        total += table[graphs[:, v]]
    return total


def exact_posterior(sets: ParentSets) -> tuple[np.ndarray, np.ndarray]:
    """The graphs and their probabilities."""
    graphs = all_dags(sets.nodes)
    logs = log_weights(sets, graphs)
    weights = np.exp(logs - logs.max())
    return graphs, weights / weights.sum()


def edge_matrix(graphs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted mean of the adjacency matrices, (parent, child)."""
    nodes = graphs.shape[1]
    bits = graphs[:, None, :] >> np.arange(nodes)[None, :, None] & 1
    return np.tensordot(weights, bits, axes=1)
