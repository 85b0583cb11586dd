"""Drawing a Markov network as a factor graph: variables, and a small square for each table."""

from __future__ import annotations

import itertools
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

from probgen.declare.drawing.canvas import (
    EDGE,
    FRAME,
    INK,
    NAME,
    SMALL,
    canvas,
    name_lines,
    node,
    text_size,
)

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.figure import Figure

__all__ = ["draw_factors", "variable_places"]

_SQUARE = 0.1
_Places = dict[Hashable, np.ndarray]


def draw_factors(graph: nx.Graph, title: str) -> Figure:
    """The factor graph of a Markov network, as `drawing.draw` describes it."""
    variables = [v for v, kind in graph.nodes(data="kind") if kind != "factor"]
    factors = [v for v, kind in graph.nodes(data="kind") if kind == "factor"]
    lines = {v: _lines(graph, v) for v in variables}
    sizes = {
        v: (
            max(0.42, max(text_size(t, p)[0] for t, p, _ in lines[v]) + 0.2),
            max(0.34, sum(1.22 * p / 72 for _, p, _ in lines[v]) + 0.14),
        )
        for v in variables
    }
    widest = max(width for width, _ in sizes.values())
    pairwise = all(len(graph[f]) <= 2 for f in factors)
    placed = variables if pairwise else [*variables, *(f for f in factors if len(graph[f]) > 1)]
    spots = variable_places(graph, placed, max(0.95, widest + 0.45))
    spots.update(_factor_places(graph, spots, sizes, [f for f in factors if f not in spots]))
    corners = _corners(spots, sizes)
    figure, axes = canvas(corners, title)
    for factor in factors:
        for v in graph[factor]:
            (x0, y0), (x1, y1) = spots[factor], spots[v]
            axes.plot([x0, x1], [y0, y1], color=EDGE, linewidth=0.95, zorder=1)
        _square(axes, spots[factor])
    for v in variables:
        kind = graph.nodes[v].get("kind", "latent")
        node(axes, tuple(spots[v]), sizes[v], lines[v], kind=kind)
    return figure


def variable_places(graph: nx.Graph, nodes: list[Hashable], spacing: float) -> _Places:
    """Places in inches for some nodes of a factor graph, close ones `spacing` apart or more.

    Names that are pairs of whole numbers are the places of a lattice; else every connected part
    is laid out by its distances (Kamada and Kawai 1989), and the parts stand side by side.
    """
    import networkx as nx

    if all(_is_cell(v) for v in nodes):
        return {v: spacing * np.array([v[1], -v[0]], np.float64) for v in nodes}  # type: ignore[index]
    joined = _joined(graph, nodes)
    spots: _Places = {}
    right = 0.0
    for part in sorted(nx.connected_components(joined), key=len, reverse=True):
        ordered = [v for v in nodes if v in part]
        local = _spread(joined.subgraph(part), ordered, spacing)
        left = min(x for x, _ in local.values())
        for v, (x, y) in local.items():
            spots[v] = np.array([x - left + right, y])
        right = max(spots[v][0] for v in part) + 1.3 * spacing
    return spots


def _is_cell(name: Hashable) -> bool:
    return isinstance(name, tuple) and len(name) == 2 and all(isinstance(k, int) for k in name)


def _joined(graph: nx.Graph, nodes: list[Hashable]) -> nx.Graph:
    """The graph over `nodes` with an edge through every factor that is not one of them."""
    import networkx as nx

    joined = nx.Graph()
    joined.add_nodes_from(nodes)
    joined.add_edges_from((a, b) for a, b in graph.edges if a in joined and b in joined)
    for factor, kind in graph.nodes(data="kind"):
        if kind == "factor" and factor not in joined:
            scope = list(graph[factor])
            joined.add_edges_from(itertools.pairwise(scope))
    return joined


def _spread(part: nx.Graph, nodes: list[Hashable], spacing: float) -> _Places:
    """One connected part, centred at height zero, no two nodes closer than `spacing`."""
    import networkx as nx

    if len(nodes) == 1:
        return {nodes[0]: np.zeros(2)}
    spots = nx.kamada_kawai_layout(part)
    points = np.array([spots[v] for v in nodes])
    points -= points.mean(axis=0)
    points = _upright(points, [(nodes.index(a), nodes.index(b)) for a, b in part.edges])
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    apart[np.diag_indices(len(nodes))] = np.inf
    points *= spacing / max(apart.min(), 0.35 * np.median(apart.min(axis=1)))
    for _ in range(200):  # what is still too close moves apart
        gaps = points[:, None] - points[None]
        apart = np.linalg.norm(gaps, axis=2) + 1e-9
        apart[np.diag_indices(len(nodes))] = np.inf
        push = np.clip(spacing - apart, 0.0, None)
        if push.max() < 1e-3 * spacing:
            break
        points += 0.5 * (gaps / apart[..., None] * push[..., None]).sum(axis=1)
    return dict(zip(nodes, points, strict=True))


def _upright(points: np.ndarray, edges: list[tuple[int, int]]) -> np.ndarray:
    """Turned so that edges lie level or upright where they can, and the long side lies level.

    The first node comes to the upper left.
    """
    ends = np.array(edges)
    steps = points[ends[:, 1]] - points[ends[:, 0]]
    fourfold = np.exp(4j * np.arctan2(steps[:, 1], steps[:, 0])).sum()
    turn = -np.angle(fourfold) / 4
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    points = points @ rotation
    width, height = np.ptp(points, axis=0)
    points = points[:, ::-1] if height > 1.02 * width else points
    first = points[0] - points.mean(axis=0)
    return points * np.where(first * np.array([-1, 1]) < -1e-9, -1.0, 1.0)


def _factor_places(
    graph: nx.Graph,
    spots: _Places,
    sizes: dict[Hashable, tuple[float, float]],
    factors: list[Hashable],
) -> _Places:
    """Squares between the variables of a pair, side by side for the same pair, beside a single."""
    found: _Places = {}
    met: dict[frozenset[Hashable], int] = {}
    order = {v: k for k, v in enumerate(spots)}
    for factor in factors:
        scope = sorted(graph[factor], key=order.__getitem__)
        times = met.setdefault(frozenset(scope), 0)
        met[frozenset(scope)] += 1
        if len(scope) == 1:
            found[factor] = _beside(graph, spots, sizes, scope[0], times)
            continue
        middle = np.mean([spots[v] for v in scope], axis=0) if scope else np.zeros(2)
        along = spots[scope[-1]] - spots[scope[0]] if scope else np.array([1.0, 0.0])
        across = np.array([-along[1], along[0]]) / (np.linalg.norm(along) + 1e-9)
        shift = (times + 1) // 2 * (1 if times % 2 else -1)
        found[factor] = middle + 0.22 * shift * across
    return found


def _beside(
    graph: nx.Graph,
    spots: _Places,
    sizes: dict[Hashable, tuple[float, float]],
    variable: Hashable,
    times: int,
) -> np.ndarray:
    """Just outside a variable's frame, in the direction farthest from all that is near."""
    width, height = sizes[variable]
    others = [spots[w] for f in graph[variable] for w in graph[f] if w != variable]
    directions = [np.arctan2(*(other - spots[variable])[::-1]) for other in others]
    angles = np.pi * (np.arange(24) / 12 + 0.25)
    room = np.array(
        [
            min((abs(np.angle(np.exp(1j * (a - d)))) for d in directions), default=3.0)
            for a in angles
        ]
    )
    best = angles[(int(np.argmax(room.round(3))) + 3 * times) % 24]
    reach = np.array([width / 2 + 0.16, height / 2 + 0.16])
    return spots[variable] + reach * np.array([np.cos(best), np.sin(best)])


def _lines(graph: nx.Graph, name: Hashable) -> list[tuple[str, float, str]]:
    told = graph.nodes[name]
    lines = [(text, NAME, INK) for text in name_lines(str(told.get("label", name)))]
    if told.get("observed") is not None:
        lines.append((f"= {told['observed']}", SMALL, FRAME))
    return lines


def _corners(
    spots: _Places, sizes: dict[Hashable, tuple[float, float]]
) -> tuple[float, float, float, float]:
    half = np.array([sizes.get(v, (_SQUARE, _SQUARE)) for v in spots]) / 2
    points = np.array(list(spots.values()))
    (x0, y0), (x1, y1) = (points - half).min(axis=0), (points + half).max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def _square(axes: Any, spot: np.ndarray) -> None:
    from matplotlib.patches import Rectangle

    corner = (spot[0] - _SQUARE / 2, spot[1] - _SQUARE / 2)
    axes.add_patch(Rectangle(corner, _SQUARE, _SQUARE, facecolor=INK, edgecolor="none", zorder=2))
