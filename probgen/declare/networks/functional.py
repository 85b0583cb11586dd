"""pgmpy's FunctionalBayesianNetwork as a Pyro program in which nodes may be latent.

pgmpy fits the parameters of such a network with every node observed; as a program it has a
posterior over the nodes that were not. The functions of the CPDs are called as pgmpy calls them
in `fit`: with tensors by the name of the parent, all rows at once.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import networkx as nx
import pyro
import torch

from probgen.declare.network import distinct_labels
from probgen.declare.networks.row_program import Node, row_program
from probgen.errors import ModelError

__all__ = ["functional_program"]


def functional_program(
    model: Any, prior_fn: Callable[[], Mapping[str, Any]] | None = None
) -> Callable[..., dict[str, torch.Tensor]]:
    """A Pyro program for a `FunctionalBayesianNetwork`: one site per node, by its label.

    Data go in by keyword: numbers, or arrays whose first axis is the rows of one plate "row";
    a node without data is latent, in every row by itself. Parameters inside the functions
    (`pyro.param`) stay fixed. `prior_fn`, as in pgmpy's `fit(estimator="MCMC")`, returns
    distributions by name: these become sites before the plate, and the functions take
    (priors, parents). pgmpy's backend is not touched.

    Raises `ModelError` for a cycle, a node without a CPD, and a CPD whose parents are not the
    graph's; and, from the program, for a function that returns no distribution.
    """
    graph = nx.DiGraph(model.edges)
    graph.add_nodes_from(model.nodes)
    order = list(graph.nodes)
    if not nx.is_directed_acyclic_graph(graph):
        cycle = " -> ".join(str(edge[0]) for edge in nx.find_cycle(graph))
        raise ModelError(f"The network has a cycle: {cycle}. Remove an edge.")
    labels = dict(zip(order, distinct_labels(order), strict=True))

    def draw_priors() -> dict[str, torch.Tensor]:
        return {name: pyro.sample(name, prior) for name, prior in (prior_fn or dict)().items()}

    nodes = []
    for name in nx.topological_sort(graph):
        cpd = _cpd(model, graph, name)
        if prior_fn is None and _takes_priors(cpd.fn):
            raise ModelError(
                f"The function of the node {name!r} takes (priors, parents): pass prior_fn."
            )
        conditional = functools.partial(_conditional, cpd, prior_fn is not None)
        nodes.append(Node(name, labels[name], conditional))
    return row_program(type(model).__name__, nodes, draw_priors)


def _cpd(model: Any, graph: nx.DiGraph, name: Hashable) -> Any:
    found = [cpd for cpd in model.cpds if cpd.variable == name]
    if not found:
        raise ModelError(f"The node {name!r} has no CPD: add one with add_cpds.")
    parents = set(graph.predecessors(name))
    if set(found[0].parents) != parents:
        raise ModelError(
            f"The CPD of {name!r} has the parents {sorted(map(str, found[0].parents))}; "
            f"in the graph they are {sorted(map(str, parents))}."
        )
    return found[0]


def _takes_priors(function: Callable[..., Any]) -> bool:
    """Whether a function needs two arguments, as those for pgmpy's MCMC estimator do."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p for p in parameters if p.kind in positional and p.default is p.empty]
    return len(needed) == 2


def _conditional(
    cpd: Any,
    with_priors: bool,
    values: Mapping[Hashable, torch.Tensor],
    priors: Mapping[str, torch.Tensor],
) -> Any:
    """The distribution of a node given the values of the nodes before it."""
    function = functools.partial(cpd.fn, priors) if with_priors else cpd.fn
    parents = {parent: values[parent] for parent in cpd.parents}
    made = function(parents) if parents else _root(function)
    if not hasattr(made, "log_prob") or not hasattr(made, "event_shape"):
        raise ModelError(
            f"The function of the node {cpd.variable!r} returned {type(made).__name__}; it must "
            "return a distribution of pyro.distributions."
        )
    return made


def _root(function: Callable[[Any], Any]) -> Any:
    """A root's distribution: pgmpy calls its function with {} when fitting, None in simulate."""
    try:
        return function({})
    except Exception as error:
        try:
            return function(None)
        except Exception:
            raise error from None
