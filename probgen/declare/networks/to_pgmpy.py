"""A `Network` as a model of pgmpy, names and states kept."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from probgen.declare.network import Factor, Network
from probgen.declare.networks.linear import linear_table
from probgen.errors import ModelError

if TYPE_CHECKING:
    from probgen.nets.boltzmann.machine import BoltzmannMachine

__all__ = ["to_pgmpy"]


def to_pgmpy(network: Network | BoltzmannMachine) -> Any:
    """A `DiscreteBayesianNetwork` for a Bayesian network, else a `DiscreteMarkovNetwork`.

    A Boltzmann machine of discrete units is the Markov network that `to_network` makes of it.
    Tables go to pgmpy's backend as it is set. In Markov networks a variable without a factor
    gets one of ones (pgmpy learns the number of states from factors), and factors without a
    variable are multiplied into another one. Raises `ModelError` for potentials beyond the
    range of float64, and for constants with no factor to hold them.
    """
    if not isinstance(network, Network):
        from probgen.declare.networks.boltzmann import network_of_machine  # brings torch

        network = network_of_machine(network)
    return _bayesian(network) if network.kind == "bayesian" else _markov(network)


def _bayesian(network: Network) -> Any:
    from pgmpy.factors.discrete import TabularCPD
    from pgmpy.models import DiscreteBayesianNetwork

    names, cards = network.names, network.cards.tolist()
    model = DiscreteBayesianNetwork(latents={names[v] for v in network.latents})
    model.add_nodes_from(names)
    cpds = []
    for factor in network.factors:
        child = factor.child
        assert child is not None
        parents = [v for v in factor.scope if v != child]
        table = np.moveaxis(np.exp(factor.log_table), factor.scope.index(child), 0)
        # networkx checks nothing, pgmpy's add_edge looks for a path each time
        super(DiscreteBayesianNetwork, model).add_edges_from(
            (names[v], names[child]) for v in parents
        )
        cpds.append(
            TabularCPD(
                names[child],
                cards[child],
                table.reshape(cards[child], -1),
                [names[v] for v in parents],
                [cards[v] for v in parents],
                {names[v]: list(network.states[v]) for v in factor.scope},
            )
        )
    model.add_cpds(*cpds)
    model.name = network.title
    return model


def _markov(network: Network) -> Any:
    from pgmpy.factors.discrete import DiscreteFactor
    from pgmpy.models import DiscreteMarkovNetwork

    names = network.names
    model = DiscreteMarkovNetwork(latents=[names[v] for v in sorted(network.latents)])
    model.add_nodes_from(names)
    for factor in _whole_factors(network):
        scope = [names[v] for v in factor.scope]
        table = linear_table(network, factor)
        model.add_edges_from(itertools.combinations(scope, 2))
        states = {names[v]: list(network.states[v]) for v in factor.scope}
        model.add_factors(DiscreteFactor(scope, table.shape, table.ravel(), states))
    model.name = network.title
    return model


def _whole_factors(network: Network) -> list[Factor]:
    """Factors over every variable, constants inside another factor."""
    factors = [factor for factor in network.factors if factor.scope]
    constant = sum(float(factor.log_table) for factor in network.factors if not factor.scope)
    covered = {v for factor in factors for v in factor.scope}
    for v, card in enumerate(network.cards.tolist()):
        if v not in covered:
            factors.append(Factor((v,), np.zeros(card)))
    if constant != 0 and not factors:
        raise ModelError(f"{network.title!r} has no variable, which pgmpy cannot express.")
    if constant != 0:
        first = factors[0]
        factors[0] = Factor(first.scope, first.log_table + constant)
    return factors
