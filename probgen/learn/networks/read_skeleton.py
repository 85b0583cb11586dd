"""Structures as users declare them: networks, pgmpy models, networkx graphs, lists of edges."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np

from probgen.declare.network import Network
from probgen.errors import ModelError
from probgen.learn.networks.skeleton import Skeleton, directed_skeleton, undirected_skeleton

__all__ = ["read_skeleton"]


def read_skeleton(model: Any) -> Skeleton:
    """The structure of a declared network; its tables, if it has them all, to start from.

    Directed: a Bayesian `Network`, a pgmpy DiscreteBayesianNetwork or DAG (with or without
    CPDs), a networkx DiGraph, a list of edges (parent, child). Undirected: another `Network`, a
    pgmpy DiscreteMarkovNetwork or FactorGraph, a networkx Graph; a graph without factors gets
    one table for each variable and one for each edge.

    Raises `ModelError` for cycles and for what is no structure.
    """
    if isinstance(model, Network):
        return _from_network(model)
    if hasattr(model, "nodes") and hasattr(model, "edges") and hasattr(model, "is_directed"):
        return _from_graph(model)
    if isinstance(model, Iterable) and not isinstance(model, (str, bytes)):
        return _from_edges(list(model))
    raise ModelError(
        f"{type(model).__name__} is no structure: give a Network, a pgmpy model, a networkx "
        "graph or a list of edges (parent, child)."
    )


def _from_network(network: Network) -> Skeleton:
    factors = network.factors
    directed = network.kind == "bayesian"
    scopes, tables = [], []
    for factor in factors:
        order = list(range(len(factor.scope)))
        if directed and factor.child is not None:
            axis = factor.scope.index(factor.child)
            order = [*(k for k in order if k != axis), axis]
        scopes.append(tuple(factor.scope[k] for k in order))
        tables.append(np.ascontiguousarray(np.transpose(factor.log_table, order)))
    return Skeleton(
        network.names,
        network.states,
        tuple(scopes),
        tuple(factor.child if directed else None for factor in factors),
        network.latents,
        tuple(tables),
        network.title,
    )


def _from_graph(model: Any) -> Skeleton:
    """A pgmpy model or a networkx graph; complete models through the reader of declarations."""
    nodes = list(model.nodes())
    if _has_tables(model, nodes):
        from probgen.declare.networks.pgmpy_models import read_network

        return _from_network(read_network(model))
    latents = [name for name in nodes if name in set(getattr(model, "latents", ()) or ())]
    title = str(getattr(model, "name", "") or "network")
    if model.is_directed():
        parents = {name: list(model.predecessors(name)) for name in nodes}
        return directed_skeleton(nodes, parents, _states_of_cpds(model), latents, title)
    scopes: list[Sequence[Hashable]] = [(name,) for name in nodes]
    scopes += [tuple(edge) for edge in model.edges()]
    return undirected_skeleton(nodes, scopes, None, latents, title)


def _has_tables(model: Any, nodes: list[Hashable]) -> bool:
    if hasattr(model, "get_cpds"):
        cpds = model.get_cpds()
        return bool(nodes) and isinstance(cpds, list) and len(cpds) == len(nodes)
    return bool(getattr(model, "factors", None))


def _states_of_cpds(model: Any) -> dict[Hashable, Sequence[Hashable]]:
    """States named by the CPDs of a model that does not have them all."""
    cpds = model.get_cpds() if hasattr(model, "get_cpds") else []
    return {cpd.variable: list(cpd.state_names[cpd.variable]) for cpd in cpds}


def _from_edges(edges: list[Any]) -> Skeleton:
    for edge in edges:
        if not isinstance(edge, (tuple, list)) or len(edge) != 2:
            raise ModelError(f"{edge!r} is no edge: a structure is a list of (parent, child).")
        if edge[0] == edge[1]:
            raise ModelError(f"The edge {edge!r} goes from a variable to itself.")
    if not edges:
        raise ModelError("The list of edges is empty; give a networkx DiGraph with the nodes.")
    names = list(dict.fromkeys(name for edge in edges for name in edge))
    parents: dict[Hashable, list[Hashable]] = {name: [] for name in names}
    for parent, child in dict.fromkeys((a, b) for a, b in edges):
        parents[child].append(parent)
    return directed_skeleton(names, parents)
