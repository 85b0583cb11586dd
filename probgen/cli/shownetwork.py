"""`probgen show` for networks: variables, states, parents or neighbours, and the engine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

MOST_ROWS = 60
MOST_NAMES = 8


def show_network(
    network: Any, evidence: Mapping[Any, Any], graph_path: Path | None, out: Any
) -> None:
    """Print the variables of a network and how it would be run; draw its graph if asked to."""
    import probgen as pg

    out.print(variable_table(network))
    for remark in pg.check(network, evidence).remarks:
        out.print(remark, markup=False, highlight=False)
    if graph_path is not None:
        pg.draw(network, graph_path, data=evidence)
        out.print(f"Graph: {graph_path}", markup=False, soft_wrap=True)


def variable_table(network: Any) -> Any:
    """Table of the variables in their order, at most so many."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    directed = network.kind == "bayesian"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("variable", no_wrap=True)
    table.add_column("states", overflow="fold")
    table.add_column("parents" if directed else "shares factors with", overflow="fold")
    labels = network.labels()
    related = parents_of(network) if directed else neighbours_of(network)
    for v in range(min(len(labels), MOST_ROWS)):
        names = [labels[u] for u in related[v]]
        table.add_row(
            Text(labels[v], style="bold"),
            Text(listed(network.states[v])),
            Text(listed(names)),
        )
    if len(labels) > MOST_ROWS:
        table.add_row(Text(f"... {len(labels) - MOST_ROWS} more", style="dim"), "", "")
    return table


def listed(names: Any) -> str:
    """Names separated by commas, at most so many."""
    shown = ", ".join(str(name) for name in list(names)[:MOST_NAMES])
    return shown + (f", ... {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")


def parents_of(network: Any) -> list[tuple[int, ...]]:
    """Parents of every variable."""
    parents: list[tuple[int, ...]] = [()] * len(network.names)
    for factor in network.factors:
        if factor.child is not None:
            parents[factor.child] = tuple(v for v in factor.scope if v != factor.child)
    return parents


def neighbours_of(network: Any) -> list[tuple[int, ...]]:
    """Variables that every variable shares a factor with."""
    near: list[set[int]] = [set() for _ in network.names]
    for factor in network.factors:
        for v in factor.scope:
            near[v].update(factor.scope)
    return [tuple(sorted(others - {v})) for v, others in enumerate(near)]
