"""Pictures of models: plates as boxes, observed sites shaded, computed ones dashed.

Directed graphs are drawn in layers, Markov networks as factor graphs with small squares, and
graphs too large for names as dots. No program outside Python is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probgen.declare.dependencies.graph import graph_of
from probgen.errors import DataError

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.figure import Figure

__all__ = ["draw"]

_LARGEST = 160
"""Nodes up to which names are written."""


def draw(
    model: Any, path: str | Path | None = None, *, data: Mapping[Any, Any] | None = None
) -> Figure:
    """Draw a Pyro program, a network, or a graph from `probgen.declare.dependencies.graph_of`.

    Plates are boxes with their name and size, observed sites are shaded, deterministic ones
    dashed, factors squares. A dashed edge was found only by changing values, a dotted frame
    marks a site that some runs lack. Returns the matplotlib figure, and writes it to `path`
    (png, svg, pdf, ...) if given. Raises `ModelError` or `DataError` as `graph_of` does, and
    `DataError` for a path that cannot be written.
    """
    import networkx as nx

    graph = model if isinstance(model, nx.Graph) else graph_of(model, data)
    figure = figure_of(graph)
    if path is not None:
        try:
            figure.savefig(path, dpi=150, facecolor="white")
        except (OSError, ValueError) as error:
            raise DataError(f"The picture cannot be written to {path}: {error}.") from error
    return figure


def figure_of(graph: nx.Graph) -> Figure:
    """The drawing that suits a graph."""
    from probgen.declare.drawing.canvas import empty_figure
    from probgen.declare.drawing.compact import draw_compact
    from probgen.declare.drawing.factors import draw_factors
    from probgen.declare.drawing.sites import draw_sites

    title = str(graph.graph.get("title", ""))
    variables = [v for v, kind in graph.nodes(data="kind") if kind != "factor"]
    if not variables:
        return empty_figure(title)
    if len(variables) > _LARGEST:
        return draw_compact(graph, title)
    return draw_sites(graph, title) if graph.is_directed() else draw_factors(graph, title)
