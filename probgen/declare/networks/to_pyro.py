"""A network as a Pyro program, for everything that Pyro can do with one.

Every variable becomes one sample site, so SVI, enumeration, guides and handlers serve networks
too. Discrete variables are `Categorical` sites that `pyro.infer.config_enumerate` sums out, up
to Pyro's limit of about 60 enumerated sites at once; the engines of `probgen.infer` have no such
limit.
"""

from __future__ import annotations

import graphlib
import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch

from probgen.declare.network import Network, distinct_labels
from probgen.declare.networks.continuous import program_of
from probgen.declare.networks.evidence import resolve_evidence
from probgen.declare.networks.kinds import is_continuous
from probgen.errors import ModelError

__all__ = ["to_pyro"]

LOG_STATES = "log_states"
"""The factor of a Markov network's program that makes its log evidence the log partition."""


def to_pyro(network: Any) -> Callable[..., dict[str, torch.Tensor]]:
    """A Pyro program with one sample site per variable of `network`, named by its label.

    `network` is a `Network`, a `GaussianNetwork`, or any model of pgmpy.
    Evidence goes in by keyword, by the name or the number of a state (names win where both
    fit), or by one likelihood per state; None or no keyword leaves a variable latent. The
    program returns all values by label.

    A Bayesian network's sites are `Categorical(logits=log_table[parents])` in topological
    order, so that running the program draws from the network. A Markov network's sites are
    uniform, one `pyro.factor` per table follows, and the factor "log_states" takes the uniform
    densities out: the log evidence of the program (nats) is the log partition function, but
    running it forward does not draw from the network. A variable with a single state is a
    deterministic site. Continuous networks take numbers or columns as data; see
    `gaussian_program` and `functional_program` in `probgen.declare.networks.continuous`.

    Raises `ModelError` for a cyclic network; the program raises `DataError` for evidence that
    names no variable or state.

    Example:
        >>> from probgen.declare.network import Factor
        >>> coin = Factor((0,), np.log([0.5, 0.5]), child=0)
        >>> program = to_pyro(Network(("coin",), (("heads", "tails"),), (coin,)))
        >>> program(coin="tails")
        {'coin': tensor(1)}

    """
    if is_continuous(network):
        return program_of(network)
    if not isinstance(network, Network):
        from probgen.declare.networks.pgmpy_models import read_network

        network = read_network(network)
    run = _bayesian(network) if network.kind == "bayesian" else _markov(network)
    labels = network.labels()

    def program(**evidence: Any) -> dict[str, torch.Tensor]:
        told = _evidence(network, labels, evidence)
        values = run(told)
        for label, log_likelihood in told.soft.items():
            pyro.factor(f"likelihood({label})", _at(log_likelihood, [values[label]]))
        return values

    program.__name__ = program.__qualname__ = network.title
    program.__doc__ = (
        f"{network.title}: a {network.kind} network of {len(labels)} variables as a Pyro program."
    )
    return program


@dataclass(frozen=True)
class _Evidence:
    """Observed states, and log likelihoods (nats) of the states of others, by label."""

    hard: Mapping[str, torch.Tensor]
    soft: Mapping[str, torch.Tensor]


_Run = Callable[[_Evidence], dict[str, torch.Tensor]]


def _bayesian(network: Network) -> _Run:
    """The sites of a Bayesian network, parents before children."""
    labels = network.labels()
    tables = {}
    for factor in network.factors:
        child = factor.child
        axis = factor.scope.index(child)
        given = [labels[v] for v in factor.scope if v != child]
        table = torch.from_numpy(np.moveaxis(factor.log_table, axis, -1).copy())
        tables[labels[child]] = (given, table)  # type: ignore[index]
    order = _ordered({label: given for label, (given, _) in tables.items()}, network.title)

    def run(evidence: _Evidence) -> dict[str, torch.Tensor]:
        values: dict[str, torch.Tensor] = {}
        for label in order:
            given, table = tables[label]
            logits = _at(table, [values[parent] for parent in given])
            values[label] = _sample(label, logits, evidence)
        return values

    return run


def _markov(network: Network) -> _Run:
    """Uniform sites, and a factor for each table."""
    labels = network.labels()
    uniform = [torch.zeros(int(card), dtype=torch.float64) for card in network.cards]
    scopes = [[labels[v] for v in factor.scope] for factor in network.factors]
    names = distinct_labels([*labels, *(f"factor({', '.join(s)})" for s in scopes), LOG_STATES])
    factor_names = names[len(labels) :]
    tables = [torch.from_numpy(np.array(f.log_table, np.float64)) for f in network.factors]
    log_states = torch.tensor(network.log_states, dtype=torch.float64)

    def run(evidence: _Evidence) -> dict[str, torch.Tensor]:
        values = {
            label: _sample(label, logits, evidence)
            for label, logits in zip(labels, uniform, strict=True)
        }
        for name, scope, table in zip(factor_names, scopes, tables, strict=False):
            pyro.factor(name, _at(table, [values[label] for label in scope]))
        pyro.factor(factor_names[-1], log_states)
        return values

    return run


def _sample(label: str, logits: torch.Tensor, evidence: _Evidence) -> torch.Tensor:
    if logits.shape[-1] == 1:  # nothing to sample, and enumeration loses dimensions of size 1
        return pyro.deterministic(label, torch.tensor(0))
    return pyro.sample(label, dist.Categorical(logits=logits), obs=evidence.hard.get(label))


def _at(table: torch.Tensor, values: list[torch.Tensor]) -> torch.Tensor:
    """`table` at values of its leading axes, which broadcast (each may be enumerated)."""
    return table[tuple(value.long() for value in values)] if values else table


def _ordered(parents: Mapping[str, list[str]], title: str) -> list[str]:
    try:
        return list(graphlib.TopologicalSorter(parents).static_order())
    except graphlib.CycleError as error:
        cycle = " -> ".join(error.args[1])
        raise ModelError(f"The network {title!r} has a cycle: {cycle}. Remove an edge.") from None


def _evidence(network: Network, labels: list[str], given: Mapping[str, Any]) -> _Evidence:
    """Observed states by label, and log likelihoods of softly observed variables."""
    told = {}
    for label, state in given.items():
        if state is not None:
            told[label] = _state_of(network, labels, label, state)
    hard, soft = resolve_evidence(network, told)
    return _Evidence(
        {labels[v]: torch.tensor(state) for v, state in hard.items()},
        {labels[v]: torch.from_numpy(np.log(likelihood)) for v, likelihood in soft.items()},
    )


def _state_of(network: Network, labels: list[str], label: str, state: Any) -> Any:
    """The name of a state that is given by its number; anything else as it is."""
    if isinstance(state, (torch.Tensor, np.ndarray, np.generic)) and state.ndim == 0:
        state = state.item()
    number = isinstance(state, numbers.Real) and not isinstance(state, bool)
    if label not in labels or not number or state != int(state):
        return state
    states = network.states[labels.index(label)]
    known = {str(name) for name in states}
    if state in states or str(int(state)) in known or not 0 <= state < len(states):
        return state
    return states[int(state)]
