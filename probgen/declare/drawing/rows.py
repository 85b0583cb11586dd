"""Rows of a layered drawing: which node stands in which row, and where edges pass the others."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from probgen.declare.drawing.plates import Box, Cluster

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["GAP", "ROW", "Bend", "Edge", "add_bends", "fill_rows", "inside", "narrowed", "rows_of"]

GAP, ROW = 0.22, 0.42
"""Inches between neighbours in a row, and between rows."""
WIDEST = 8.0
"""Inches of a row that no graph has to fall short of."""

Edge = tuple[Hashable, Hashable]


@dataclass(frozen=True)
class Bend:
    """Where an edge passes a row, or (without edge) where a cluster has no node in a row."""

    edge: tuple[Hashable, Hashable] | None
    row: int
    cluster: int = 0


def rows_of(graph: nx.DiGraph) -> dict[Hashable, int]:
    """Row of every node (0 on top): parents above children, edges short in total."""
    from scipy.optimize import linprog

    nodes = list(graph)
    place = {node: k for k, node in enumerate(nodes)}
    edges = list(graph.edges)
    if not edges:
        return dict.fromkeys(nodes, 0)
    cost = np.array([graph.in_degree(v) - graph.out_degree(v) for v in nodes], dtype=float)
    steps = np.zeros((len(edges), len(nodes)))
    for k, (parent, child) in enumerate(edges):
        steps[k, place[parent]], steps[k, place[child]] = 1.0, -1.0
    cost += 1e-4  # of equal solutions, the one higher up
    solved = linprog(cost, A_ub=steps, b_ub=-np.ones(len(edges)), bounds=(0, None))
    return {node: round(value) for node, value in zip(nodes, solved.x, strict=True)}


def narrowed(
    graph: nx.DiGraph, row: Mapping[Hashable, int], widths: Mapping[Hashable, float]
) -> dict[Hashable, int]:
    """Rows without overlong ones: what is too much of a row goes down (leaves) or up (roots)."""
    total = sum(widths.values()) + GAP * len(widths)
    limit = max(WIDEST, 1.5 * np.sqrt(total * (2 * ROW)))
    row, count = dict(row), 1 + max(row.values())
    for leaves, way in ((True, 1), (False, -1)):
        r = 0 if leaves else count - 1
        while min(row.values()) <= r <= max(row.values()):
            here = [node for node in row if row[node] == r]
            length = sum(widths[node] + GAP for node in here)
            ends = [v for v in here if not (graph.out_degree(v) if leaves else graph.in_degree(v))]
            while length > limit and ends:
                moved = ends.pop()
                row[moved] += way
                length -= widths[moved] + GAP
            r += way
    top = min(row.values())
    return {node: r - top for node, r in row.items()}


def add_bends(
    graph: nx.DiGraph, row: dict[Hashable, int], root: Cluster
) -> dict[Edge, list[Hashable]]:
    """Bends where edges pass a row, in the plates that both ends share; each edge's chain."""
    chains: dict[Edge, list[Hashable]] = {}
    for parent, child in graph.edges:
        bends = [Bend((parent, child), r) for r in range(row[parent] + 1, row[child])]
        above, below = root.find(parent), root.find(child)
        shared = [a for a, b in zip(above, below, strict=False) if a is b]
        for bend in bends:
            shared[-1].nodes.add(bend)
            row[bend] = bend.row
        chains[parent, child] = [parent, *bends, child]
    return chains


def fill_rows(row: dict[Hashable, int], root: Cluster, boxes: list[Box]) -> None:
    """Fillers that hold the place of a cluster in rows of its box where it has no node."""
    for cluster in inside(root):
        taken = {row[node] for node in cluster.members()}
        span = set(taken)
        for box in boxes:
            if cluster in box.covers:
                span |= {row[node] for cover in box.covers for node in cover.members()}
        for r in set(range(min(span), max(span) + 1)) - taken:
            filler = Bend(None, r, id(cluster))
            cluster.nodes.add(filler)
            row[filler] = r


def inside(root: Cluster) -> list[Cluster]:
    """All clusters within one, inner ones first."""
    found = []
    for child in root.children:
        found += [*inside(child), child]
    return found
