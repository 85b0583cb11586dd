"""Layered layout of a directed graph (Sugiyama, Tagawa and Toda, 1981) with boxes for plates.

Rows come from a linear programme (the shortest edges in total), orders within rows from
barycentre sweeps that keep clusters together, and places from the least-distance programme of
Lawson and Hanson (1974, chapter 23): the quadratic length of all edges is minimised exactly,
under the gaps between neighbours and between boxes.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from probgen.declare.drawing.distance import LeastDistance
from probgen.declare.drawing.order import Order
from probgen.declare.drawing.plates import Box, Cluster, clusters_of
from probgen.declare.drawing.rows import (
    GAP,
    ROW,
    Bend,
    Edge,
    add_bends,
    fill_rows,
    inside,
    narrowed,
    rows_of,
)

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["Layers", "layered"]

PAD, TITLE = 0.13, 0.19
"""Inches: inside a box, for the name of a plate."""


@dataclass
class Layers:
    """Places in inches, y upwards: nodes, bends of edges, boxes (plate, x0, y0, x1, y1)."""

    places: dict[Hashable, tuple[float, float]] = field(default_factory=dict)
    bends: dict[tuple[Hashable, Hashable], list[tuple[float, float]]] = field(default_factory=dict)
    boxes: list[tuple[str, float, float, float, float]] = field(default_factory=list)
    row_height: float = 0.0


def layered(
    graph: nx.DiGraph,
    sizes: Mapping[Hashable, tuple[float, float]],
    plates: Mapping[Hashable, list[str]],
    titles: Mapping[str, float],
) -> Layers:
    """Lay out an acyclic graph.

    `sizes` gives width and height of every node, `plates` the plates of every node, `titles`
    the width of every plate's name, all in inches.
    """
    root, boxes, _ = clusters_of(plates)
    row = rows_of(graph)
    if not boxes:
        row = narrowed(graph, row, {node: width for node, (width, _) in sizes.items()})
    chains = add_bends(graph, row, root)
    fill_rows(row, root, boxes)
    order = Order(root, row, chains)
    order.sweep(graph)
    widths = {node: sizes[node][0] if node in sizes else 0.06 for node in row}
    x = _places(order, chains, widths, boxes, titles)
    return _assemble(graph, row, chains, x, sizes, boxes, titles)


def _places(
    order: Order,
    chains: Mapping[Edge, list[Hashable]],
    widths: Mapping[Hashable, float],
    boxes: list[Box],
    titles: Mapping[str, float],
) -> dict[Hashable, float]:
    """x of every node: shortest edges in the sum of squares, nothing overlapping."""
    index: dict[object, int] = {node: k for k, node in enumerate(widths)}
    clusters = inside(order.root)
    for cluster in clusters:
        index["left", id(cluster)] = len(index)
        index["right", id(cluster)] = len(index)
    problem = LeastDistance(len(index))
    for chain in chains.values():
        for a, b in itertools.pairwise(chain):
            bends = isinstance(a, Bend) + isinstance(b, Bend)
            together = bends == 0 and order.paths[a] == order.paths[b] != [order.root]
            problem.pull(index[a], index[b], 4.0 if together else (1.0, 2.0, 8.0)[bends])
    for cluster in clusters:
        left, right = index["left", id(cluster)], index["right", id(cluster)]
        problem.pull(left, right, 0.02)
        pad = PAD * sum(any(c is cluster for c in box.covers) for box in boxes) or 0.02
        for node in cluster.nodes:
            problem.apart(left, index[node], widths[node] / 2 + pad)
            problem.apart(index[node], right, widths[node] / 2 + pad)
        for child in cluster.children:
            problem.apart(left, index["left", id(child)], pad)
            problem.apart(index["right", id(child)], right, pad)
    for box in boxes:
        ends = sorted(box.covers, key=lambda c: min(order.spot[v] for v in c.members()))
        wide = titles.get(box.plate, 0.0) + 2 * PAD
        problem.apart(index["left", id(ends[0])], index["right", id(ends[-1])], wide)
    for nodes in order.rows:
        for a, b in itertools.pairwise(nodes):
            _keep_apart(problem, order, index, widths, a, b)
    x = problem.solve()
    return {node: float(x[index[node]]) for node in widths}


def _keep_apart(problem, order, index, widths, a, b) -> None:
    """The gap between neighbours in a row: of nodes, or of the clusters in which they differ."""
    above, below = [*order.paths[a], a], [*order.paths[b], b]
    depth = next(k for k, (p, q) in enumerate(zip(above, below, strict=False)) if p is not q)
    first, second = above[depth], below[depth]
    gap = GAP * (1.0, 0.75, 0.5)[isinstance(first, Bend) + isinstance(second, Bend)]
    if isinstance(first, Cluster):
        left = index["right", id(first)]
    else:
        left, gap = index[first], gap + widths[first] / 2
    if isinstance(second, Cluster):
        right = index["left", id(second)]
    else:
        right, gap = index[second], gap + widths[second] / 2
    problem.apart(left, right, gap)


def _assemble(graph, row, chains, x, sizes, boxes, titles) -> Layers:
    """Rows to heights, clusters to boxes."""
    height = max(h for _, h in sizes.values())
    count = 1 + max(row.values())
    spans = {id(box): [row[v] for c in box.covers for v in c.members()] for box in boxes}
    slants = np.zeros(count)  # room for edges that go far to the side
    for chain in chains.values():
        for a, b in itertools.pairwise(chain):
            slants[row[b]] = max(slants[row[b]], min(0.8, 0.07 * abs(x[a] - x[b]) - 0.1))
    y, at = np.zeros(count), 0.0
    for r in range(count):
        if r:
            ends = max([b.level for b in boxes if max(spans[id(b)]) == r - 1], default=0)
            starts = max([b.level for b in boxes if min(spans[id(b)]) == r], default=0)
            at -= height + ROW + ends * (PAD + TITLE) + starts * PAD + slants[r]
        y[r] = at
    layout = Layers(row_height=height)
    layout.places = {node: (x[node], float(y[row[node]])) for node in graph}
    for edge, chain in chains.items():
        layout.bends[edge] = [(x[bend], float(y[row[bend]])) for bend in chain[1:-1]]
    for box in sorted(boxes, key=lambda box: -box.level):
        held = [v for cover in box.covers for v in cover.members()]
        wide = {v: sizes[v][0] / 2 if v in sizes else 0.03 for v in held}
        pad = box.level * PAD
        left = min(x[v] - wide[v] for v in held) - pad
        right = max(x[v] + wide[v] for v in held) + pad
        missing = max(0.0, titles.get(box.plate, 0.0) + 2 * PAD - (right - left))
        low = float(y[max(spans[id(box)])]) - height / 2 - pad - box.level * TITLE
        high = float(y[min(spans[id(box)])]) + height / 2 + pad
        layout.boxes.append((box.plate, left - missing / 2, low, right + missing / 2, high))
    return layout
