"""Drawing a graph too large for names: dots, joined by thin lines."""

from __future__ import annotations

import itertools
from collections.abc import Hashable
from typing import TYPE_CHECKING

import numpy as np

from probgen.declare.drawing.canvas import FILL, FRAME, INK, canvas, text_size

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.figure import Figure

__all__ = ["draw_compact"]

_NAMED = 12
_SPRINGS = 3000
"""Nodes of a connected part up to which springs are tried; they cost the square of the nodes."""


def draw_compact(graph: nx.Graph, title: str) -> Figure:
    """Variables as dots whose size says how many neighbours they have; the largest are named."""
    from matplotlib.collections import LineCollection

    plain = _without_factors(graph)
    spots = _places(plain)
    nodes = list(plain)
    points = np.array([spots[v] for v in nodes])
    shaded = [graph.nodes[v].get("kind") == "observed" for v in nodes]
    degrees = np.array([plain.degree(v) for v in nodes])
    named = _outstanding(degrees)
    note = (
        f"{len(nodes)} variables, {plain.number_of_edges()} edges: too many to name. Dots grow "
        "with their neighbours"
        + (f"; the {len(named)} largest are named" if len(named) else "")
        + (", observed ones are dark." if any(shaded) else ".")
    )
    size = points.max(axis=0) - points.min(axis=0)
    figure, axes = canvas((0.0, 0.0, float(size[0]), float(size[1])), title, [note])
    points -= points.min(axis=0)
    place = dict(zip(nodes, points, strict=True))
    segments = [(place[a], place[b]) for a, b in plain.edges]
    axes.add_collection(LineCollection(segments, colors="#B8C0C8", linewidths=0.5, zorder=1))
    axes.scatter(
        *points.T,
        s=5 + 4 * degrees,
        c=[INK if dark else FILL["observed"] for dark in shaded],
        edgecolors=FRAME,
        linewidths=0.5,
        zorder=2,
    )
    taken: list[tuple[float, float, float]] = []
    for k in named:
        text = str(graph.nodes[nodes[k]].get("label", nodes[k]))
        x, y = points[k]
        half = text_size(text, 7.0)[0] / 2
        x = min(max(x, half), float(size[0]) - half)
        while any(abs(y - b) < 0.14 and abs(x - a) < half + h for a, b, h in taken):
            y += 0.15
        taken.append((x, y, half))
        axes.text(
            x,
            y,
            text,
            fontsize=7.0,
            ha="center",
            va="center",
            color=INK,
            zorder=3,
            parse_math=False,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6},
        )
    return figure


def _outstanding(degrees: np.ndarray) -> np.ndarray:
    """Positions of the largest dots, unless so many are as large that none stands out."""
    order = np.argsort(-degrees, kind="stable")
    if len(order) > _NAMED:
        order = order[degrees[order] > np.median(degrees)]
    return order[:_NAMED]


def _without_factors(graph: nx.Graph) -> nx.Graph:
    """Variables only, joined where they share an edge or a factor (as a chain through it)."""
    import networkx as nx

    plain = nx.Graph()
    plain.add_nodes_from(v for v, kind in graph.nodes(data="kind") if kind != "factor")
    plain.add_edges_from((a, b) for a, b in graph.edges if a in plain and b in plain)
    for factor, kind in graph.nodes(data="kind"):
        if kind == "factor":
            scope = list(graph.adj[factor])
            plain.add_edges_from(itertools.pairwise(scope))
    return plain


def _places(plain: nx.Graph) -> dict[Hashable, np.ndarray]:
    """Connected parts from a spectral start and springs, packed in rows by size; inches."""
    import networkx as nx

    spots: dict[Hashable, np.ndarray] = {}
    x = y = tall = 0.0
    wide = 1.25 * np.sqrt(len(plain)) * 0.36
    for part in sorted(nx.connected_components(plain), key=len, reverse=True):
        ordered = [v for v in plain if v in part]
        local = _springs(plain.subgraph(part), ordered)
        width, height = local.max(axis=0)
        if x > 0 and x + width > wide:
            x, y, tall = 0.0, y - tall - 0.4, 0.0
        for v, (a, b) in zip(ordered, local, strict=True):
            spots[v] = np.array([x + a, y - b])
        x, tall = x + width + 0.4, max(tall, height)
    return spots


def _springs(part: nx.Graph, nodes: list[Hashable]) -> np.ndarray:
    """One connected part, its lower left corner at zero, (n, 2)."""
    import networkx as nx

    if len(nodes) == 1:
        return np.zeros((1, 2))
    start = nx.spectral_layout(part) if len(nodes) > 2 else None
    spots = start or {}
    if len(nodes) <= _SPRINGS:
        steps = int(np.clip(4e7 / len(nodes) ** 2, 10, 80))
        length = 1.6 / np.sqrt(len(nodes))
        spots = nx.spring_layout(part, pos=start, iterations=steps, seed=1, k=length)
    points = np.array([spots[v] for v in nodes])
    points -= points.min(axis=0)
    return points * 0.36 * np.sqrt(len(nodes)) / max(points.max(), 1e-9)
