"""Prior and posterior predictive draws of discrete networks, as state numbers.

A Bayesian network is walked from parents to children (ancestral sampling, Henrion 1988): every
variable that is not given is drawn from its table at the drawn states of its parents. Evidence
that is drawn anew so depends on what the posterior says of the variables above it.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

import networkx as nx
import numpy as np
import xarray as xr

from probgen.declare.network import Network
from probgen.declare.networks.evidence import resolve_evidence
from probgen.declare.networks.kinds import slices_of
from probgen.errors import OptionError
from probgen.inference.network_text import network_text
from probgen.inference.room import check_room
from probgen.results.attributes import library_attributes, model_attributes
from probgen.results.network_tree import observed_dataset, posterior_dataset, state_labels

__all__ = ["ancestral_states", "network_prior", "predict_network"]


def ancestral_states(
    network: Network, given: Mapping[int, np.ndarray], count: int, seed: int
) -> np.ndarray:
    """States of all variables of a Bayesian network in `count` draws, int64 (variable, draw).

    `given` holds the states of some variables, by position, in every draw. Raises `OptionError`
    for a network that is not Bayesian.
    """
    tables = {factor.child: factor for factor in network.factors}
    if network.kind != "bayesian":
        raise OptionError(
            f"{network.title!r} is a Markov network: without directions there is no forward "
            "draw. Leave a variable out of the evidence of infer to have it predicted."
        )
    rng = np.random.default_rng([seed % 2**64, 0xA7C])
    order = nx.DiGraph()
    order.add_nodes_from(range(len(network.names)))
    for child in range(len(network.names)):
        order.add_edges_from((parent, child) for parent in network.parents(child))
    states = np.zeros((len(network.names), count), dtype=np.int64)
    for v in nx.lexicographical_topological_sort(order):
        if v in given:
            states[v] = given[v]
            continue
        factor = tables[v]
        axis = factor.scope.index(v)
        table = np.moveaxis(np.exp(factor.log_table), axis, -1)
        rows = table[tuple(states[parent] for parent in factor.scope if parent != v)]
        cumulative = np.broadcast_to(rows, (count, rows.shape[-1])).cumsum(-1)
        level = rng.random((count, 1)) * cumulative[:, -1:]
        states[v] = (cumulative <= level).sum(-1)
    return states


def network_prior(
    model: Any, data: Mapping[Any, Any] | None, shape: tuple[int, int], seed: int
) -> xr.DataTree:
    """Draws without the evidence: `prior` of its free variables, `prior_predictive` of the rest.

    A Markov network is drawn by the engine that `infer` chooses for it.
    """
    network, evidence = _read(model, data)
    check_room(16 * len(network.names) * shape[0] * shape[1], "The draws", "ask for fewer")
    if network.kind == "bayesian":
        states = ancestral_states(network, {}, shape[0] * shape[1], seed)
        draws = states.T.reshape(*shape, -1)
    else:
        draws = _drawn_by_engine(network, shape, seed)
    tree = xr.DataTree()
    told = model_attributes(network.title, network_text(network))
    tree.attrs.update({**library_attributes(), **told, "sampling": "prior"})
    tree.attrs["seed"] = seed
    free = [v for v in range(len(network.names)) if v not in evidence]
    for group, members in (("prior", free), ("prior_predictive", list(evidence))):
        if members:
            tree[group] = _dataset(network, members, draws[..., members], seed)
    if evidence:
        tree["observed_data"] = _observed(network, evidence)
    return tree


def predict_network(
    tree: xr.DataTree,
    model: Any,
    data: Mapping[Any, Any] | None,
    sites: Sequence[str] | None,
    group: str,
    seed: int,
) -> xr.DataTree:
    """A copy of `tree` with the evidence of a Bayesian network drawn anew at every draw.

    `data` is the evidence; that of the tree when left out. Raises `OptionError` for a Markov
    network, unknown sites, and where there is no evidence to draw.
    """
    network, told = _read(model, data)
    labels, evidence = network.labels(), set(told)
    if data is None and "observed_data" in tree.children:
        names = set(tree["observed_data"].data_vars)
        evidence = {v for v, name in enumerate(labels) if name in names}
    if not evidence:
        raise OptionError(
            "predict runs Pyro programs forward, and draws the evidence of a Bayesian network "
            "anew; here is none, and the draws hold all other variables already. Leave a "
            "variable out of the evidence of infer to have it predicted."
        )
    known = _drawn(tree["posterior"].to_dataset(), labels)
    given = {v: values for v, values in known.items() if v not in evidence}
    wanted = [v for v in sorted(evidence) if sites is None or labels[v] in sites]
    unknown = sorted(set(sites or ()) - {labels[v] for v in wanted})
    if unknown:
        raise OptionError(f"sites: {unknown[0]!r} is no variable of the evidence.")
    sizes = tree["posterior"].sizes
    shape = (sizes["chain"], sizes["draw"])
    states = ancestral_states(network, given, shape[0] * shape[1], seed)
    result = tree.copy()
    result[group] = _dataset(network, wanted, states[wanted].T.reshape(*shape, -1), seed)
    return result


def _read(model: Any, data: Mapping[Any, Any] | None) -> tuple[Network, dict[int, int]]:
    """A network, and the observed state of each variable by position; soft evidence apart."""
    if isinstance(model, Network):
        network = model
    else:
        from probgen.declare.networks.pgmpy_models import read_network

        network = read_network(model, slices=slices_of(model, data))
    return network, dict(resolve_evidence(network, data)[0])


def _drawn(posterior: xr.Dataset, labels: Sequence[str]) -> dict[int, np.ndarray]:
    """States of the variables in every draw, by position: one array or one per variable."""
    if set(posterior.data_vars) == {"state"} and "variable" in posterior.dims:
        values = posterior["state"].transpose("variable", "chain", "draw").values
        names = [str(name) for name in posterior["variable"].values]
        columns = dict(zip(names, values.reshape(len(names), -1), strict=True))
    else:
        columns = {
            str(name).removesuffix("~2") if str(name) not in labels else str(name): array
            .transpose("chain", "draw").values.ravel()
            for name, array in posterior.data_vars.items()
        }  # fmt: skip
    return {v: columns[label] for v, label in enumerate(labels) if label in columns}


def _dataset(
    network: Network, members: Collection[int], draws: np.ndarray, seed: int
) -> xr.Dataset:
    labels = network.labels()
    names = [state_labels(network.states[v]) for v in members]
    dataset = posterior_dataset([labels[v] for v in members], names, draws)
    return dataset.assign_attrs({**library_attributes(), "seed": seed})


def _observed(network: Network, evidence: Mapping[int, int]) -> xr.Dataset:
    labels = network.labels()
    named: dict[str, tuple[int, Hashable]] = {
        labels[v]: (state, network.states[v][state]) for v, state in evidence.items()
    }
    return observed_dataset(named)


def _drawn_by_engine(network: Network, shape: tuple[int, int], seed: int) -> np.ndarray:
    from probgen.inference.infer_network import NetworkOptions, infer_network

    options = NetworkOptions(shape[0], shape[1], None, seed, progress=False)
    tree = infer_network(network, None, {}, options)
    if "posterior" not in tree.children:
        raise OptionError(
            f"The engine chosen for {network.title!r} draws no states; use infer without "
            "evidence and a sampler such as Gibbs()."
        )
    columns = _drawn(tree["posterior"].to_dataset(), network.labels())
    return np.stack([columns[v].reshape(shape) for v in range(len(network.names))], axis=-1)
