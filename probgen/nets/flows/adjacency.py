"""Graphs of dependence as matrices: from pgmpy, networkx, lists of edges or matrices."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import networkx as nx
import torch
from torch import Tensor

from probgen.errors import ModelError, OptionError

__all__ = ["adjacency_of", "checked_adjacency", "topological_order"]


def adjacency_of(graph: Any, names: Sequence[Hashable] | None = None) -> tuple[Tensor, list[Any]]:
    """Adjacency [child, parent] of a directed graph without cycles, and the names in its order.

    `graph` is a networkx or pgmpy DAG or Bayesian network, or a list of edges (parent, child);
    `names` fixes the order of the variables (of all of them), else it is the graph's own.

    Raises `ModelError` for a graph with cycles or other variables than `names`.
    """
    directed = nx.DiGraph()
    if hasattr(graph, "nodes") and hasattr(graph, "edges"):
        if not getattr(graph, "is_directed", lambda: True)():
            raise ModelError("The graph is undirected: give the directions of its edges.")
        directed.add_nodes_from(graph.nodes())
        graph = graph.edges()
    directed.add_edges_from(tuple(edge)[:2] for edge in graph)
    known = list(directed.nodes) if names is None else list(names)
    if other := set(directed.nodes) - set(known):
        raise ModelError(
            f"The graph has the variable {sorted(map(str, other))[0]!r}, which is none of "
            f"{', '.join(map(repr, known))}."
        )
    place = {name: number for number, name in enumerate(known)}
    matrix = torch.zeros(len(known), len(known), dtype=torch.bool)
    for parent, child in directed.edges:
        matrix[place[child], place[parent]] = True
    topological_order(matrix)
    return matrix, known


def checked_adjacency(adjacency: Any, features: int) -> Tensor:
    """A bool matrix [child, parent] with a diagonal, as zuko wants it.

    Raises `OptionError` for another shape, `ModelError` for cycles.
    """
    matrix = torch.as_tensor(adjacency).bool()
    if matrix.shape != (features, features):
        raise OptionError(
            f"The adjacency has the shape {tuple(matrix.shape)}, and there are {features} "
            "features: it needs a row and a column for each."
        )
    topological_order(matrix)
    return matrix | torch.eye(features, dtype=torch.bool)


def topological_order(adjacency: Tensor) -> list[int]:
    """The variables, parents before children. Raises `ModelError` naming a cycle."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(adjacency)))
    pairs = (adjacency & ~torch.eye(len(adjacency), dtype=torch.bool)).nonzero().tolist()
    graph.add_edges_from((parent, child) for child, parent in pairs)
    try:
        return list(nx.topological_sort(graph))
    except nx.NetworkXUnfeasible:
        cycle = nx.find_cycle(graph)
        told = " -> ".join(str(edge[0]) for edge in [*cycle, cycle[0]])
        raise ModelError(f"The graph has a cycle: {told}.") from None
