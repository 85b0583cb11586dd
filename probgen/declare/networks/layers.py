"""The variables of a network in layers, so that neighbours are in neighbouring layers."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import networkx as nx

from probgen.declare.network import Network
from probgen.errors import ModelError
from probgen.nets.boltzmann.units import Units

__all__ = ["blocks_of", "layers_of"]


def layers_of(
    network: Network, layers: Sequence[Sequence[Hashable]] | None = None
) -> list[list[int]]:
    """Positions of the variables of each layer; those named, or hidden and visible as found.

    Raises `ModelError` when the layers do not hold every variable once, or when joined variables
    are not in neighbouring layers.
    """
    graph = nx.Graph()
    graph.add_nodes_from(range(len(network.names)))
    graph.add_edges_from(factor.scope for factor in network.factors if len(factor.scope) == 2)
    if layers is not None:
        found = _named(network, layers)
    elif network.latents:
        every = range(len(network.names))
        found = [[v for v in every if v not in network.latents], sorted(network.latents)]
    else:
        found = _coloured(network, graph)
    if len(found) < 2 or not all(found):
        raise ModelError(
            f"{network.title!r} has {sum(map(bool, found))} layer of variables; a Boltzmann "
            "machine has a visible and a hidden one. Say which are hidden with layers=."
        )
    number = {v: n for n, layer in enumerate(found) for v in layer}
    for a, b in graph.edges:
        if abs(number[a] - number[b]) != 1:
            where = "in one layer" if number[a] == number[b] else "not in neighbouring layers"
            raise ModelError(
                f"{network.names[a]!r} and {network.names[b]!r} are joined, but {where}: a "
                "Boltzmann machine in layers joins neighbouring layers only."
            )
    return found


def blocks_of(
    network: Network, layers: Sequence[Sequence[int]]
) -> list[list[tuple[Units, list[int]]]]:
    """Blocks of units for every layer, with their variables: one for each number of states."""
    blocks = []
    for number, layer in enumerate(layers):
        name = "x" if number == 0 else "h" if len(layers) == 2 else f"h{number}"
        by_states: dict[int, list[int]] = {}
        for v in layer:
            by_states.setdefault(len(network.states[v]), []).append(v)
        blocks.append(
            [
                (_units(name, len(variables), card), variables)
                for card, variables in by_states.items()
            ]
        )
    return blocks


def _units(name: str, size: int, card: int) -> Units:
    if card < 2:
        raise ModelError("A variable with a single state is known: leave it out of the network.")
    if card == 2:
        return Units(name, size)
    return Units(f"{name}_{card}", size, "categorical", states=card)


def _named(network: Network, layers: Sequence[Sequence[Hashable]]) -> list[list[int]]:
    named = [name for layer in layers for name in layer]
    unknown = [name for name in named if name not in network.position]
    left_out = [name for name in network.names if name not in set(named)]
    twice = [name for name in set(named) if named.count(name) > 1]
    for what, names in (("are no variables", unknown), ("are missing", left_out),
                        ("are named twice", twice)):  # fmt: skip
        if names:
            raise ModelError(f"layers=: {', '.join(map(repr, names))} {what}.")
    return [[network.position[name] for name in layer] for layer in layers]


def _coloured(network: Network, graph: nx.Graph) -> list[list[int]]:
    """Two layers such that all edges go between them, the first variable in the first one."""
    try:
        colour = nx.bipartite.color(graph)
    except nx.NetworkXError:
        raise ModelError(
            f"The variables of {network.title!r} do not fall into two layers with edges only "
            "between them: it is no restricted machine. Give the layers of a deep one (layers=)."
        ) from None
    firsts = {v: min(part) for part in nx.connected_components(graph) for v in part}
    visible = [v for v in sorted(graph) if colour[v] == colour[firsts[v]]]
    return [visible, sorted(set(graph) - set(visible))]
