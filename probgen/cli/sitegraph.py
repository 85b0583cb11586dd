"""Which site depends on which: the directed graph of a program, and its picture.

Dependencies are found by running the program once while every site's value carries its name
through the tensor operations (provenance tracking, Wingate et al. 2011, as in Pyro's own model
rendering), deterministic sites included as steps of their own.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import networkx as nx

FILL = {
    "latent": "#FFFFFF",
    "observed": "#C9D6E6",
    "deterministic": "#F3F3F3",
    "factor": "#F6DCDC",
}


def site_graph(program: Any) -> "nx.DiGraph":
    """Directed graph of a described program: an edge from each site to those that use it.

    Nodes are site names in program order with the attributes `kind` and `plates`. Errors of the
    program under tracking go through.
    """
    import networkx as nx
    from pyro import poutine
    from pyro.infer.inspect import TrackProvenance
    from pyro.ops.provenance import get_provenance

    computed: dict[str, frozenset[str]] = {}

    class Track(TrackProvenance):
        """Remembers what a deterministic value was computed from before it is renamed."""

        def _pyro_post_sample(self, msg: dict[str, Any]) -> None:
            computed[msg["name"]] = get_provenance(msg["value"])
            super()._pyro_post_sample(msg)

    with program.environment(), Track(include_deterministic=True):
        trace = poutine.trace(program.model).get_trace(**program.data)
    graph = nx.DiGraph()
    for name, site in program.sites.items():
        graph.add_node(name, kind=site.kind, plates=[plate for plate in site.plates if plate])
        parents = set(computed.get(name, ()))
        if site.kind != "deterministic" and name in trace.nodes:
            node = trace.nodes[name]
            parents |= get_provenance(node["fn"].log_prob(node["value"]))
        graph.add_edges_from((parent, name) for parent in parents - {name} & set(program.sites))
    return graph


def draw_graph(graph: "nx.DiGraph", title: str, path: Path) -> None:
    """Draw the graph in layers, from what depends on nothing down to the data."""
    from matplotlib.figure import Figure

    layers = ordered_layers(graph)
    widest = max(len(layer) for layer in layers)
    size = (max(3.5, 1.6 * widest), 0.5 + 1.0 * len(layers))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0.5 - len(layers), 0.5)
    boxes = {
        name: draw_node(axes, (i + 0.5) / len(layer), -depth, name, graph.nodes[name])
        for depth, layer in enumerate(layers)
        for i, name in enumerate(layer)
    }
    for parent, child in graph.edges:
        ends = {"patchA": boxes[parent].get_bbox_patch(), "patchB": boxes[child].get_bbox_patch()}
        axes.annotate(
            "",
            xy=boxes[child].get_position(),
            xytext=boxes[parent].get_position(),
            arrowprops={
                "arrowstyle": "-|>",
                "color": "#888888",
                "shrinkA": 2,
                "shrinkB": 2,
                **ends,
            },
        )
    figure.savefig(path, dpi=150, facecolor="white")


def draw_node(axes: Any, x: float, y: float, name: str, node: dict[str, Any]) -> Any:
    """One site: its name over its plates; data filled, computed values dashed."""
    plates = f"\n[{', '.join(node['plates'])}]" if node["plates"] else ""
    return axes.text(
        x,
        y,
        name + plates,
        ha="center",
        va="center",
        fontsize=8.5,
        bbox={
            "boxstyle": "square,pad=0.45" if node["kind"] == "factor" else "round,pad=0.45",
            "facecolor": FILL[node["kind"]],
            "edgecolor": "#555555",
            "linestyle": "--" if node["kind"] == "deterministic" else "-",
        },
    )


def ordered_layers(graph: "nx.DiGraph") -> list[list[str]]:
    """Sites by depth, each layer ordered by the mean place of its parents (fewer crossings)."""
    import networkx as nx

    layers = [list(layer) for layer in nx.topological_generations(graph)]
    # a root is drawn right above its first child, not at the top of everything
    depth = {name: number for number, layer in enumerate(layers) for name in layer}
    for name in list(layers[0]) if layers else []:
        children = [depth[child] for child in graph.successors(name)]
        if children and min(children) > 1:
            layers[0].remove(name)
            layers[min(children) - 1].append(name)
    place: dict[str, float] = {}
    for layer in layers:
        layer.sort(key=lambda name: mean_place(graph, name, place))
        place.update({name: (i + 0.5) / len(layer) for i, name in enumerate(layer)})
    return layers


def mean_place(graph: "nx.DiGraph", name: str, place: dict[str, float]) -> float:
    """Mean place of the parents that have one; the middle for those without."""
    known = [place[parent] for parent in graph.predecessors(name) if parent in place]
    return sum(known) / len(known) if known else 0.5
