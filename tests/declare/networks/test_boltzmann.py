"""Boltzmann machines and networks are tied both ways: energies, log Z and marginals agree."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from pgmpy.factors.discrete import DiscreteFactor, TabularCPD
from pgmpy.models import DiscreteBayesianNetwork, DiscreteMarkovNetwork

import probgen as pg
from probgen.declare.networks.boltzmann import machine_from_network, network_of_machine
from probgen.errors import ModelError
from probgen.nets.boltzmann.machine import BoltzmannMachine
from tests.nets.boltzmann.machines import DISCRETE, exact_law, machine_of


def log_tables(network, state) -> float:
    """Sum of the network's log tables at a joint state, by position."""
    return sum(float(f.log_table[tuple(state[v] for v in f.scope)]) for f in network.factors)


def site_states(machine, states) -> list[list[int]]:
    """The network's joint states from the machine's."""
    parts = [machine.decode(layer, state) for layer, state in enumerate(states)]
    columns = [value for part in parts for value in part.values()]
    return torch.cat([column.long() for column in columns], -1).tolist()


def marginals_of(machine) -> dict[str, np.ndarray]:
    """Of every unit, by enumeration."""
    states, log_law, _ = exact_law(machine)
    law, numbers = log_law.exp().numpy(), np.array(site_states(machine, states))
    return {
        name: np.bincount(numbers[:, v], weights=law)
        for v, name in enumerate(network_of_machine(machine).names)
    }


def found_marginals(tree) -> dict[str, np.ndarray]:
    """By variable, from the entries of a result."""
    group = tree["marginals"]
    names, values = group["variable"].to_numpy(), group["probability"].to_numpy()
    return {name: values[names == name] for name in dict.fromkeys(names.tolist())}


@pytest.fixture(params=DISCRETE)
def machine(request) -> BoltzmannMachine:
    return machine_of(request.param)


def test_the_network_has_minus_the_energy(machine):
    network = network_of_machine(machine)
    states, log_law, log_z = exact_law(machine)
    found = [log_tables(network, state) for state in site_states(machine, states)]
    np.testing.assert_allclose(found, (log_law + log_z).numpy(), atol=1e-12)


def test_exact_inference_has_the_log_partition_function_and_the_marginals(machine):
    tree = pg.infer(network_of_machine(machine), pg.Exact(), progress=False)
    assert tree.attrs["log_evidence"] == pytest.approx(exact_law(machine)[2], abs=1e-10)
    found = found_marginals(tree)
    for name, law in marginals_of(machine).items():
        np.testing.assert_allclose(found[name], law, atol=1e-10)


def test_a_forgotten_bias_would_be_noticed(machine):
    network = network_of_machine(machine)
    machine.biases[1].data[0] += 1e-3
    tree = pg.infer(network, pg.Exact(), progress=False)
    assert abs(tree.attrs["log_evidence"] - exact_law(machine)[2]) > 1e-6


@pytest.mark.parametrize("kind", ["bernoulli", "deep"])
def test_the_gibbs_engine_of_networks_samples_the_machine(kind):
    machine = machine_of(kind)
    options = {"chains": 200, "draws": 500, "warmup": 50, "seed": 1, "progress": False}
    tree = pg.infer(network_of_machine(machine), pg.Gibbs(), **options)
    found = found_marginals(tree)
    for name, law in marginals_of(machine).items():
        # Within five standard errors of a tenth of the draws.
        error = 5 * np.sqrt(law.max() * law.min() / 10_000)
        np.testing.assert_allclose(found[name], law, atol=error)


def test_hidden_units_are_latent_variables(machine):
    network = network_of_machine(machine)
    visible = sum(units.size for units in machine.layers[0])
    assert network.latents == set(range(visible, len(network.names)))
    assert network.names[0] == "x[0]"


def test_the_way_there_and_back_gives_the_same_machine(machine):
    layers, start = [], 0
    names = network_of_machine(machine).names
    for layer in machine.layers:
        stop = start + sum(units.size for units in layer)
        layers.append(names[start:stop])
        start = stop
    for network in (network_of_machine(machine), pg.to_pgmpy(machine)):
        back, constant = machine_from_network(network, layers)
        assert constant == pytest.approx(0, abs=1e-12)
        for name, parameter in machine.state_dict().items():
            torch.testing.assert_close(back.state_dict()[name], parameter, msg=name)


def test_without_layers_latent_variables_are_hidden():
    machine = machine_of("bernoulli")
    back = machine_from_network(network_of_machine(machine))[0]
    assert [str(units) for layer in back.layers for units in layer] == [
        "x: 3 bernoulli",
        "h: 2 bernoulli",
    ]
    torch.testing.assert_close(back.weights[0], machine.weights[0])


def markov(edges, seed=0, cards=None) -> DiscreteMarkovNetwork:
    """Random positive tables, all kinds of offsets among them."""
    rng, network = np.random.default_rng(seed), DiscreteMarkovNetwork(edges)
    cards = dict.fromkeys(network.nodes, 2) | (cards or {})
    for a, b in edges:
        shape = (cards[a], cards[b])
        network.add_factors(DiscreteFactor([a, b], shape, rng.gamma(1.0, size=shape).ravel()))
    return network


PAIRS = [("A", "p"), ("B", "p"), ("B", "q"), ("C", "q"), ("p", "C")]


@pytest.mark.parametrize("cards", [{}, {"B": 3}, {"q": 3, "C": 4}])
def test_a_pgmpy_network_becomes_a_machine_of_the_same_law(cards):
    network = markov(PAIRS, cards=cards)
    machine, constant = machine_from_network(network, [["A", "B", "C"], ["p", "q"]])
    tree = pg.infer(network, pg.Exact(), progress=False)
    assert exact_law(machine)[2] + constant == pytest.approx(tree.attrs["log_evidence"], abs=1e-10)
    found = sorted(np.concatenate(list(marginals_of(machine).values())))
    expected = sorted(np.concatenate(list(found_marginals(tree).values())))
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_variables_are_told_apart_by_their_edges():
    machine = machine_from_network(markov(PAIRS))[0]
    assert machine.widths == [3, 2]


def test_a_bayesian_network_with_two_layers_becomes_a_machine():
    network = DiscreteBayesianNetwork([("cause", "a"), ("cause", "b")])
    network.add_cpds(
        TabularCPD("cause", 2, [[0.3], [0.7]]),
        TabularCPD("a", 2, [[0.9, 0.2], [0.1, 0.8]], ["cause"], [2]),
        TabularCPD("b", 2, [[0.6, 0.5], [0.4, 0.5]], ["cause"], [2]),
    )
    machine, constant = machine_from_network(network, [["a", "b"], ["cause"]])
    states, log_law, log_z = exact_law(machine)
    assert log_z + constant == pytest.approx(0, abs=1e-12)
    law = dict(zip(map(tuple, site_states(machine, states)), log_law.exp().tolist(), strict=True))
    assert law[1, 0, 1] == pytest.approx(0.7 * 0.8 * 0.5)


def test_a_deep_network_needs_its_layers():
    edges = [*itertools.product("AB", "pq"), *itertools.product("pq", "s")]
    network = markov(edges)
    machine, constant = machine_from_network(network, ["AB", "pq", "s"])
    assert machine.widths == [2, 2, 1]
    tree = pg.infer(network, pg.Exact(), progress=False)
    assert exact_law(machine)[2] + constant == pytest.approx(tree.attrs["log_evidence"], abs=1e-10)


ZERO = DiscreteFactor(["A", "p"], [2, 2], [1.0, 0.0, 1.0, 1.0])
TRIPLE = DiscreteFactor(["A", "B", "p"], [2, 2, 2], np.ones(8))


@pytest.mark.parametrize(
    ("edges", "factor", "layers", "message"),
    [
        ([("A", "p")], ZERO, None, r"\['A', 'p'\] makes a state impossible"),
        ([("A", "B"), ("B", "p"), ("A", "p")], TRIPLE, None, "joins 3 variables"),
        ([("A", "B"), ("B", "p"), ("A", "p")], None, None, "two layers"),
        (
            [("A", "B"), ("B", "p")],
            None,
            [["A", "B"], ["p"]],
            "'A' and 'B' .* in one layer",
        ),
        ([("A", "p"), ("A", "s")], None, ["A", "p", "s"], "'A' and 's' .* not in neighbouring"),
        ([("A", "p")], None, [["A"], ["q"]], "layers=: 'q' are no variables"),
        ([("A", "p"), ("B", "p")], None, [["A"], ["p"]], "layers=: 'B' are missing"),
        ([("A", "p")], None, [["A", "A"], ["p"]], "layers=: 'A' are named twice"),
        ([("A", "p")], None, [["A", "p"]], "1 layer of variables"),
    ],
)
def test_what_is_no_layered_machine_is_refused(edges, factor, layers, message):
    network = markov(edges)
    if factor is not None:
        network.add_factors(factor)
    with pytest.raises(ModelError, match=message):
        machine_from_network(network, layers)


def test_gaussian_units_are_no_discrete_variables():
    with pytest.raises(ModelError, match="'x' are Gaussian"):
        network_of_machine(machine_of("gaussian"))
