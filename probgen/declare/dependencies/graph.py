"""Which variable depends on which: the graph of a Pyro program or a network.

A program's graph is found twice. *Traced*: every value carries the names of the sites it was
computed from through the tensor operations (provenance, Wingate et al. 2011, as in Pyro's own
`pyro.infer.inspect`), united over several draws from the prior. *Numeric*: one site's value is
changed while all others and the random numbers stay, and every site whose density (or computed
value) moves depends on it. Only the second sees through `.item()`, `.numpy()`, `int(z)` as an
index, writes in place, and Python's own `if`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from probgen.declare.network import Network
from probgen.declare.networks.kinds import is_continuous, slices_of
from probgen.declare.networks.recognise import is_network
from probgen.errors import ModelError

if TYPE_CHECKING:
    import networkx as nx

    from probgen.declare.networks.gaussian_network import GaussianNetwork
    from probgen.declare.program import Program

__all__ = ["graph_of", "network_graph", "site_graph"]

_SEEDS = (0, 1, 2, 3)


def graph_of(model: Any, data: Mapping[Any, Any] | None = None) -> nx.Graph:
    """The graph of a Pyro program, a `Network`, or a pgmpy model, given `data` or evidence.

    - Pyro program: a DiGraph of its sites, see `site_graph`.
    - Bayesian network: a DiGraph of its variables (the user's names), an edge from each parent
      to its child. Markov network: an undirected bipartite Graph of variables and factors; the
      factor nodes are the network's `Factor` objects. See `network_graph`.
    - Continuous network: the declared DiGraph of its nodes.

    A described `Program` serves, too. Raises `ModelError` or `DataError` for a model or data
    that cannot be used.
    """
    from probgen.declare.program import Program

    if isinstance(model, Program):
        return site_graph(model)
    if not is_network(model):
        return site_graph(_run_once(model, data))
    if is_continuous(model):
        return _continuous_graph(model, data)
    if not isinstance(model, Network):
        from probgen.declare.networks.pgmpy_models import read_network

        model = read_network(model, slices=slices_of(model, data))
    return network_graph(model, data)


def _run_once(model: Any, data: Mapping[Any, Any] | None) -> Program:
    """A program that runs; whether its density is right does not matter for the graph."""
    from probgen.declare.checks.problem import raise_errors
    from probgen.declare.data import as_tensors, check_names
    from probgen.declare.program import Program, not_callable, read

    if not callable(model):
        raise ModelError(not_callable(model))
    tensors = as_tensors(data)
    check_names(model, tensors)
    reading = read(Program(model, tensors))
    if reading.trace is None:
        raise_errors(reading.problems)
    return reading.program


def site_graph(program: Program) -> nx.DiGraph:
    """Directed graph of a described program: an edge from each site to those that use it.

    Nodes are site names in program order with the attributes `kind` ("latent", "observed",
    "deterministic" or "factor"), `observed`, `plates` (a list, outermost dimension first),
    `distribution`, and `conditional` (True for a site that some runs of the program lack).
    Edges have `how`: "traced", or "numeric" where only a change of the value told. The graph's
    attribute `title` is the program's name, `sizes` the lengths of its plates, and `untraced`
    (only there when it happened) says why nothing could be traced.
    """
    import networkx as nx

    from probgen.declare.dependencies.perturbation import numeric_edges
    from probgen.declare.dependencies.tracing import traced_run

    graph = nx.DiGraph(title=program.name)
    graph.graph["sizes"] = {plate.name: plate.size for plate in program.plates.values()}
    sites = dict(program.sites)
    runs, edges = [], set()
    for seed in _SEEDS:
        try:
            found, told = traced_run(program, seed)
        except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
            graph.graph["untraced"] = str(error).partition("\n")[0]
            break
        runs.append(set(found))
        sites.update({name: site for name, site in found.items() if name not in sites})
        edges |= told
    numeric = numeric_edges(program, edges)
    runs += numeric.runs
    sites.update({name: site for name, site in numeric.sites.items() if name not in sites})
    for name, site in sites.items():
        graph.add_node(
            name,
            kind=site.kind,
            observed=site.kind == "observed",
            plates=[plate for plate in site.plates if plate],
            distribution=site.distribution,
            conditional=any(name not in run for run in runs),
        )
    graph.add_edges_from(sorted(numeric.edges - edges), how="numeric")
    graph.add_edges_from(sorted(edges), how="traced")
    return graph


def network_graph(network: Network, data: Mapping[Any, Any] | None = None) -> nx.Graph:
    """The graph of a discrete network.

    Variables have the attributes `kind` ("latent" or "observed"), `observed` (the name of the
    state, None when free), `states`, `card`, `label` and `latent` (declared so). A Bayesian
    network gives a DiGraph. A Markov network gives a bipartite Graph whose other nodes are its
    `Factor` objects, with `kind` "factor" and `label`; an edge joins a factor to each variable
    of its scope. Soft evidence leaves a variable latent.
    """
    import networkx as nx

    from probgen.declare.networks.evidence import resolve_evidence

    hard, _ = resolve_evidence(network, data)
    directed = network.kind == "bayesian"
    graph = nx.DiGraph(title=network.title) if directed else nx.Graph(title=network.title)
    for v, (name, label) in enumerate(zip(network.names, network.labels(), strict=True)):
        graph.add_node(
            name,
            kind="observed" if v in hard else "latent",
            observed=network.states[v][hard[v]] if v in hard else None,
            states=network.states[v],
            card=len(network.states[v]),
            label=label,
            latent=v in network.latents,
        )
    for factor in network.factors:
        scope = [network.names[v] for v in factor.scope]
        if directed:
            child = network.names[factor.child]  # type: ignore[index]
            graph.add_edges_from((parent, child) for parent in scope if parent != child)
        else:
            graph.add_node(factor, kind="factor", label=", ".join(map(str, scope)))
            graph.add_edges_from((factor, name) for name in scope)
    return graph


def _continuous_graph(model: Any, data: Mapping[Any, Any] | None) -> nx.DiGraph:
    """The declared graph of a linear-Gaussian or functional network."""
    import networkx as nx

    from probgen.declare.networks.continuous import continuous_program
    from probgen.declare.networks.gaussian_network import read_gaussian

    program, given = continuous_program(model, data)
    kinds = {kind.__name__ for kind in type(model).__mro__}
    if "FunctionalBayesianNetwork" in kinds:
        graph = nx.DiGraph(model.edges, title=program.__name__)
        graph.add_nodes_from(model.nodes)
        for name in graph:
            graph.nodes[name].update(kind="latent", label=str(name))
    else:
        network = model if "GaussianNetwork" in kinds else read_gaussian(model)
        graph = _gaussian_graph(network)
    for node in graph.nodes.values():
        if node["label"] in given:
            node["kind"] = "observed"
        node["observed"] = node["kind"] == "observed"
    return graph


def _gaussian_graph(network: GaussianNetwork) -> nx.DiGraph:
    import networkx as nx

    graph = nx.DiGraph(title=network.title)
    fixed = np.asarray(network.standard_deviations) == 0
    for v, (name, label) in enumerate(zip(network.names, network.labels(), strict=True)):
        kind = "deterministic" if fixed[v] else "latent"
        graph.add_node(name, kind=kind, label=label, distribution="Normal")
    for v, name in enumerate(network.names):
        for parent, weight in zip(network.parents[v], network.coefficients[v], strict=True):
            graph.add_edge(network.names[parent], name, coefficient=float(weight))
    return graph
