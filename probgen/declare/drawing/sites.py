"""Drawing a directed graph: a program's sites in their plates, or a Bayesian network."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

from probgen.declare.drawing.canvas import (
    EDGE,
    FRAME,
    INK,
    NAME,
    NUMERIC,
    PLATE,
    SMALL,
    canvas,
    name_lines,
    node,
    text_size,
)
from probgen.declare.drawing.layers import Layers, layered
from probgen.declare.drawing.plates import clusters_of

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.figure import Figure

__all__ = ["draw_sites"]

_Line = tuple[str, float, str]
_Size = tuple[float, float]


def draw_sites(graph: nx.DiGraph, title: str) -> Figure:
    """The layered drawing of a directed graph, as `drawing.draw` describes it."""
    ordered = _acyclic(graph)
    plates = {name: list(graph.nodes[name].get("plates", ())) for name in graph}
    counts = graph.graph.get("sizes", {})
    titles = {p: _plate_title(p, counts) for names in plates.values() for p in names}
    unboxed = clusters_of(plates)[2]
    lines = {name: _lines(graph, name, unboxed[name]) for name in graph}
    sizes = {name: _size(lines[name]) for name in graph}
    widths = {plate: text_size(text, SMALL + 0.7)[0] for plate, text in titles.items()}
    layout = layered(ordered, sizes, plates, widths)
    figure, axes = canvas(_corners(layout, sizes), title, _notes(graph))
    routes = {edge: _route(layout, sizes, edge) for edge in graph.edges}
    points = [path.interpolated(30).vertices for path in routes.values()]
    lines_at = np.concatenate([*points, np.full((1, 2), np.inf)])
    for plate, *corners in layout.boxes:
        _draw_box(axes, titles[plate], corners, lines_at)
    for edge, path in routes.items():
        _draw_edge(axes, path, numeric=graph.edges[edge].get("how") == "numeric")
    for name in graph:
        told = graph.nodes[name]
        kind, conditional = told.get("kind", "latent"), told.get("conditional", False)
        place, size = layout.places[name], sizes[name]
        node(axes, place, size, lines[name], kind=kind, conditional=conditional)
    return figure


def _acyclic(graph: nx.DiGraph) -> nx.DiGraph:
    """The graph for the layout: edges against the order of a cyclic graph are turned round."""
    import networkx as nx

    if nx.is_directed_acyclic_graph(graph):
        return graph
    place = {name: k for k, name in enumerate(graph)}
    turned = nx.DiGraph()
    turned.add_nodes_from(graph)
    turned.add_edges_from(sorted(edge, key=place.__getitem__) for edge in graph.edges)
    return turned


def _plate_title(plate: str, counts: dict[str, int]) -> str:
    return f"{plate} ({counts[plate]})" if counts.get(plate, -1) >= 0 else plate


def _lines(graph: nx.DiGraph, name: Hashable, unboxed: list[str]) -> list[_Line]:
    """Name, distribution, observed state, and plates that have no box."""
    told = graph.nodes[name]
    lines = [(text, NAME, INK) for text in name_lines(str(told.get("label", name)))]
    distribution = told.get("distribution", "")
    if "plates" in told and told["kind"] in ("latent", "observed"):
        lines.append((str(distribution), SMALL, FRAME))
    state = told.get("observed")
    if told.get("states") and state is not None:
        lines.append((f"= {state}", SMALL, FRAME))
    if unboxed:
        lines.append((f"[{', '.join(unboxed)}]", SMALL, FRAME))
    return lines


def _size(lines: list[_Line]) -> _Size:
    width = max(text_size(text, points)[0] for text, points, _ in lines)
    height = sum(1.22 * points / 72 for _, points, _ in lines)
    return max(0.5, width + 0.24), max(0.34, height + 0.14)


def _corners(layout: Layers, sizes: dict[Hashable, _Size]) -> tuple[float, float, float, float]:
    spots = [
        (x - sizes[v][0] / 2, y - sizes[v][1] / 2, x + sizes[v][0] / 2, y + sizes[v][1] / 2)
        for v, (x, y) in layout.places.items()
    ]
    spots += [box[1:] for box in layout.boxes]
    spots += [(x, y, x, y) for bends in layout.bends.values() for x, y in bends]
    x0, y0, x1, y1 = zip(*spots, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def _notes(graph: nx.DiGraph) -> list[str]:
    notes = []
    if any(how == "numeric" for *_, how in graph.edges(data="how")):
        notes.append("Dashed edges: found by changing values, hidden from the tensor operations.")
    if any(graph.nodes(data="conditional", default=False)[v] for v in graph):
        notes.append("Dotted frames: sites that some runs of the program lack.")
    return notes


def _draw_box(axes: Any, title: str, corners: list[float], lines: np.ndarray) -> None:
    """A plate, its name in the lower corner that fewer points of `lines` pass, (n, 2)."""
    from matplotlib.patches import FancyBboxPatch

    x0, y0, x1, y1 = corners
    axes.add_patch(
        FancyBboxPatch(
            (x0, y0),
            x1 - x0,
            y1 - y0,
            boxstyle="round,pad=0,rounding_size=0.07",
            facecolor="none",
            edgecolor=PLATE,
            linewidth=0.9,
            zorder=1,
        )
    )
    width, height = text_size(title, SMALL + 0.7)
    low = y0 + 0.03
    spots = [(x0 + 0.06, x0 + 0.1 + width), (x1 - 0.1 - width, x1 - 0.06)]
    busy = [
        (
            (lines[:, 0] > a)
            & (lines[:, 0] < b)
            & (lines[:, 1] > low)
            & (lines[:, 1] < low + height + 0.06)
        ).sum()
        for a, b in spots
    ]
    right = busy[1] <= busy[0]
    axes.text(
        x1 - 0.08 if right else x0 + 0.08,
        y0 + 0.06,
        title,
        ha="right" if right else "left",
        va="bottom",
        fontsize=SMALL + 0.7,
        color=FRAME,
        zorder=2.5,
        parse_math=False,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
    )


def _draw_edge(axes: Any, path: Any, *, numeric: bool) -> None:
    from matplotlib.patches import FancyArrowPatch

    axes.add_patch(
        FancyArrowPatch(
            path=path,
            arrowstyle="-|>",
            mutation_scale=9,
            linewidth=0.95,
            color=NUMERIC if numeric else EDGE,
            linestyle=(0, (4, 2.5)) if numeric else "-",
            shrinkA=0,
            shrinkB=0,
            joinstyle="round",
            zorder=2,
        )
    )


def _route(layout: Layers, sizes: dict[Hashable, _Size], edge: tuple[Hashable, Hashable]) -> Any:
    """From the bottom of the parent, upright past the rows between, to the top of the child."""
    from matplotlib.path import Path

    parent, child = edge
    turned = edge not in layout.bends
    bends = layout.bends[(child, parent) if turned else edge]
    bends = bends[::-1] if turned else bends
    (x0, y0), (x1, y1) = layout.places[parent], layout.places[child]
    down = 1.0 if y0 >= y1 else -1.0
    half = down * layout.row_height / 2
    stops = [(x0, y0, False), *((x, y, True) for x, y in bends), (x1, y1, False)]
    first = stops[1][0]
    start = (_port(x0, first, sizes[parent][0]), y0 - down * sizes[parent][1] / 2)
    points, codes = [start], [Path.MOVETO]
    for k in range(1, len(stops)):
        x, y, bend = stops[k]
        if bend:
            end = (x, y + half)
        else:
            before = stops[k - 1][0]
            end = (_port(x, before, sizes[child][0]), y + down * sizes[child][1] / 2)
        points += _curve(points[-1], end, upright=(stops[k - 1][2], bend))
        codes += [Path.CURVE4] * 3
        if bend:
            points.append((x, y - half))
            codes.append(Path.LINETO)
    return Path(points, codes)


def _port(x: float, towards: float, width: float) -> float:
    """Where an edge leaves or enters the side of a node: on the side that it comes from."""
    reach = 0.3 * width
    return x + max(-reach, min(reach, 0.35 * (towards - x)))


def _curve(
    start: tuple[float, float], end: tuple[float, float], upright: tuple[bool, bool]
) -> list[tuple[float, float]]:
    """Control points of a cubic that is upright where it meets a bend and straight elsewhere."""
    (x0, y0), (x1, y1) = start, end
    third = (x1 - x0) / 3, (y1 - y0) / 3
    a = (x0, y0 + 1.3 * third[1]) if upright[0] else (x0 + third[0], y0 + third[1])
    b = (x1, y1 - 1.3 * third[1]) if upright[1] else (x1 - third[0], y1 - third[1])
    return [a, b, end]
