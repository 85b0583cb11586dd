"""Every discrete model of pgmpy to a network and back: joint, names, states, errors."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import networkx as nx
import numpy as np
import pgmpy
import pytest
from pgmpy.factors.discrete import DiscreteFactor, NoisyORCPD, TabularCPD
from pgmpy.inference import VariableElimination
from pgmpy.models import (
    ClusterGraph,
    DiscreteBayesianNetwork,
    DiscreteMarkovNetwork,
    FactorGraph,
    FunctionalBayesianNetwork,
    JunctionTree,
    LinearGaussianBayesianNetwork,
    NaiveBayes,
)

from probgen.declare.network import Factor, Network
from probgen.declare.networks.pgmpy_models import read_network
from probgen.declare.networks.recognise import is_network
from probgen.declare.networks.to_pgmpy import to_pgmpy
from probgen.errors import ModelError, OptionError
from probgen.targets.factors import condition
from tests.declare.networks.laws import assert_same_law, joint_by_name, truth
from tests.inference.graphical.awkward import AWKWARD, brute_force

FALSY = ("", 0, (), "plain")


@pytest.fixture(autouse=True)
def _backend_is_left_alone() -> Iterator[None]:
    before = (pgmpy.config.get_backend(), pgmpy.config.get_dtype())
    yield
    assert (pgmpy.config.get_backend(), pgmpy.config.get_dtype()) == before


def rain(second: tuple[str, ...] = ("yes", "no")) -> DiscreteBayesianNetwork:
    """Its second CPD names the states of the parent in the order given."""
    model = DiscreteBayesianNetwork([("rain", "wet")])
    table = {"yes": [0.9, 0.1], "no": [0.2, 0.8]}
    model.add_cpds(
        TabularCPD("rain", 2, [[0.3], [0.7]], state_names={"rain": ["yes", "no"]}),
        TabularCPD(
            "wet",
            2,
            np.transpose([table[state] for state in second]),
            ["rain"],
            [2],
            {"wet": ["damp", "dry"], "rain": list(second)},
        ),
    )
    return model


# Bayesian networks


def test_bayesian_network() -> None:
    network = read_network(rain())
    assert network.names == ("rain", "wet")
    assert network.states == (("yes", "no"), ("damp", "dry"))
    assert network.kind == "bayesian"
    assert [f.child for f in network.factors] == [0, 1]
    wanted = VariableElimination(rain()).query(["wet"]).values
    np.testing.assert_allclose(truth(network).marginals[1], wanted, rtol=1e-12)


def test_permuted_states_are_matched_by_name() -> None:
    assert_same_law(read_network(rain(("no", "yes"))), read_network(rain()))
    assert joint_by_name(read_network(rain(("no", "yes"))))["yes", "damp"] == pytest.approx(0.27)


def test_joint_agrees_with_pgmpy() -> None:
    rng = np.random.default_rng(3)
    model = DiscreteBayesianNetwork([("a", "c"), ("b", "c"), ("c", "d")])
    states = {"a": ["z", "y"], "b": [1, 0, 2], "c": ["lo", "hi"], "d": [True, False]}
    for child, parents in (("d", ["c"]), ("a", []), ("c", ["b", "a"]), ("b", [])):
        cards = [len(states[p]) for p in parents]
        values = rng.dirichlet(np.ones(len(states[child])), int(np.prod(cards))).T
        names = {v: states[v] for v in [child, *parents]}
        model.add_cpds(TabularCPD(child, len(states[child]), values, parents, cards, names))
    assert model.check_model()
    network = read_network(model)
    query = VariableElimination(model).query(["a", "b", "c", "d"])
    joint = truth(network).joint
    for index in itertools.product(*(range(c) for c in joint.shape)):
        state = {v: network.states[k][index[k]] for k, v in enumerate(network.names)}
        place = tuple(query.name_to_no[v][state[v]] for v in query.variables)
        assert joint[index] == pytest.approx(query.values[place], abs=1e-14)


def test_falsy_integer_and_tuple_names() -> None:
    model = DiscreteBayesianNetwork([("", 0), (0, ()), ("", ())])
    model.add_node("plain")
    model.add_cpds(
        TabularCPD("", 2, [[0.3], [0.7]]),
        TabularCPD(0, 2, [[0.1, 0.4], [0.9, 0.6]], [""], [2]),
        TabularCPD((), 2, [[0.1, 0.2, 0.3, 0.4], [0.9, 0.8, 0.7, 0.6]], [0, ""], [2, 2]),
        TabularCPD("plain", 3, [[0.2], [0.3], [0.5]]),
    )
    network = read_network(model)
    assert set(network.names) == set(FALSY)
    assert network.parents(network.position[()]) == (network.position[0], network.position[""])
    place = [network.position[name] for name in ("", 0, (), "plain")]
    joint = truth(network).joint.transpose(place)
    assert joint[0, 1, 1, 2] == pytest.approx(0.3 * 0.9 * 0.7 * 0.5)


def test_naive_bayes_noisy_or_and_latents() -> None:
    naive = NaiveBayes(feature_vars=["x", "y"], dependent_var="class")
    naive.add_cpds(
        TabularCPD("class", 2, [[0.4], [0.6]]),
        TabularCPD("x", 2, [[0.1, 0.5], [0.9, 0.5]], ["class"], [2]),
        TabularCPD("y", 2, [[0.2, 0.7], [0.8, 0.3]], ["class"], [2]),
    )
    network = read_network(naive)
    assert network.kind == "bayesian"
    wanted = np.array([0.4 * 0.1 * 0.8, 0.6 * 0.5 * 0.3])  # pgmpy 1.1.2 cannot query it
    given = condition(network, {network.position["x"]: 0, network.position["y"]: 1})
    place = list(given.free).index(network.position["class"])
    np.testing.assert_allclose(
        brute_force(given).marginals[place], wanted / wanted.sum(), rtol=1e-12
    )

    model = DiscreteBayesianNetwork([("A", "C"), ("B", "C")], latents={"B"})
    names = ["True", "False"]
    model.add_cpds(
        TabularCPD("A", 2, [[0.2], [0.8]], state_names={"A": names}),
        TabularCPD("B", 2, [[0.5], [0.5]], state_names={"B": names}),
        NoisyORCPD("C", [0.3, 0.5], ["A", "B"]),
    )
    network = read_network(model)
    assert network.latents == {network.position["B"]}
    assert joint_by_name(network)["True", "True", "False"] == pytest.approx(0.1 * 0.7 * 0.5)


def test_torch_backend_gives_float64_and_columns_that_sum_to_one() -> None:
    import torch

    pgmpy.config.set_backend("torch", device="cpu", dtype=torch.float32)
    try:
        network = read_network(rain())
        back = to_pgmpy(network)
        assert pgmpy.config.get_backend() == "torch"
    finally:
        pgmpy.config.set_backend("numpy")
    table = network.factors[1].log_table
    assert table.dtype == np.float64
    np.testing.assert_allclose(np.exp(table).sum(axis=0), 1, atol=1e-15)
    assert_same_law(read_network(back), network)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.cpds.pop(), "'wet' has no CPD: add one with add_cpds"),
        (lambda m: m.cpds.append(m.cpds[0]), "'rain' has two CPDs"),
        (lambda m: m.cpds[1].values.__imul__(1.5), r"P\(wet \| rain\) given rain=yes sums to 1.5"),
        (lambda m: m.cpds[0].values.__setitem__(0, -1), r"P\(rain\) has the entry -1 at rain=yes"),
        (lambda m: m.cpds[0].values.__setitem__(0, np.nan), "entry nan"),
        (lambda m: m.remove_edge("rain", "wet"), "which has no edge from 'rain' to 'wet'"),
        (lambda m: nx.DiGraph.add_edge(m, "wet", "rain"), "cycle: (rain -> wet|wet -> rain)"),
        (
            lambda m: (m.add_node("x"), nx.DiGraph.add_edge(m, "x", "wet")),
            "an edge from 'x' to 'wet': make the evidence of the CPD the parents",
        ),
        (
            lambda m: m.cpds.__setitem__(0, TabularCPD("rain", 3, [[0.1], [0.2], [0.7]])),
            "'rain' has 2 states .* but 3 in|'rain' has 3 states .* but 2 in",
        ),
        (
            lambda m: m.cpds[0].state_names.__setitem__("rain", ["yes", "never"]),
            r"states of 'rain' are \('yes', 'never'\), but P\(wet \| rain\)",
        ),
        (
            lambda m: m.cpds[0].state_names.__setitem__("rain", ["yes", "no", "x"]),
            "names 3 states of 'rain' but has 2",
        ),
        (
            lambda m: m.cpds.append(TabularCPD("sun", 2, [[0.5], [0.5]])),
            "'sun', which is no variable",
        ),
    ],
)
def test_bad_bayesian_networks(change, message: str) -> None:
    model = rain()
    change(model)
    with pytest.raises(ModelError, match=message):
        read_network(model)


# Markov networks


def factors() -> list[DiscreteFactor]:
    return [
        DiscreteFactor(["", 0], [2, 2], [10, 1, 1, 5], {"": ["n", "y"], 0: ["lo", "hi"]}),
        DiscreteFactor([0, ()], [2, 3], [1, 2, 3, 4, 5, 6], {0: ["hi", "lo"], (): [0, 1, 2]}),
        DiscreteFactor([0, ""], [2, 2], [1, 2, 3, 4]),
        DiscreteFactor(["plain"], [2], [1, 3]),
    ]


WEIGHT = 10 * 5 * 1 * 3  # of ""=n, 0=lo, ()=1, plain=1


def test_markov_network() -> None:
    model = DiscreteMarkovNetwork([("", 0), (0, ())])
    model.add_node("plain")
    model.add_factors(*factors())
    network = read_network(model)
    assert set(network.names) == set(FALSY)
    assert network.kind == "markov"
    assert network.states[network.position[0]] == ("lo", "hi")
    state = np.zeros(4, dtype=int)
    state[[network.position[()], network.position["plain"]]] = 1
    assert np.exp(condition(network).log_joint(state)) == pytest.approx(WEIGHT)


def test_factor_graph_is_the_same_network() -> None:
    model = FactorGraph()
    model.add_nodes_from(FALSY)
    model.add_factors(*factors())
    model.add_nodes_from(model.factors)
    model.add_edges_from((v, f) for f in model.factors for v in f.variables)
    network = read_network(model)
    assert network.names == FALSY
    assert np.exp(condition(network).log_joint(np.array([0, 0, 1, 1]))) == pytest.approx(WEIGHT)


@pytest.mark.parametrize("kind", [ClusterGraph, JunctionTree])
def test_clusters_are_the_product_of_their_factors(kind) -> None:
    model = kind()
    model.add_edge(("a", 0), (0, "c"))
    one = DiscreteFactor(["a", 0], [2, 2], [1, 2, 3, 4])
    two = DiscreteFactor(["c", 0], [3, 2], [1, 2, 3, 4, 5, 6])
    model.add_factors(one, two)
    network = read_network(model)
    assert network.names == ("a", 0, "c")
    wanted = np.einsum("ab,cb->abc", one.values, two.values)
    np.testing.assert_allclose(truth(network).joint, wanted / wanted.sum(), rtol=1e-12)
    assert truth(network).log_z == pytest.approx(np.log(wanted.sum()))


def test_junction_tree_of_a_network_has_its_law() -> None:
    assert_same_law(read_network(rain().to_junction_tree()), read_network(rain()))
    assert_same_law(read_network(rain().to_markov_model()), read_network(rain()))


@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (DiscreteFactor(["a"], [2], [0, 0]), r"factor over \(a\) is zero everywhere"),
        (DiscreteFactor(["a"], [2], [-1, 2]), "entry -1 at a=0"),
        (DiscreteFactor(["a"], [2], [np.nan, 2]), "entry nan at a=0"),
        (DiscreteFactor(["a"], [3], [1, 2, 3]), "'a' has 2 states .* but 3 in the factor over"),
        (DiscreteFactor(["z"], [2], [1, 2]), "'z' is no variable of the model: add the node"),
        (
            DiscreteFactor(["a"], [2], [1, 1], {"a": ["x", "y"]}),
            "states of 'a' are .* use the same names",
        ),
    ],
)
def test_bad_markov_networks(factor, message: str) -> None:
    model = DiscreteMarkovNetwork([("a", "b")])
    states = {"a": [5, 6], "b": [0, 1]} if "x" in factor.state_names.get("a", ()) else {}
    model.add_factors(DiscreteFactor(["a", "b"], [2, 2], np.ones(4), states))
    model.factors.append(factor)
    with pytest.raises(ModelError, match=message):
        read_network(model)


def test_a_variable_without_a_factor() -> None:
    model = DiscreteMarkovNetwork([("a", "b")])
    model.add_node("c")
    model.add_factors(DiscreteFactor(["a", "b"], [2, 2], np.ones(4)))
    with pytest.raises(ModelError, match=r"'c' is in no table.*add a factor of ones"):
        read_network(model)


# Others


def test_a_network_passes_through() -> None:
    network = AWKWARD["chain"]
    assert read_network(network) is network
    with pytest.raises(OptionError, match="slices=3 is for DynamicBayesianNetwork"):
        read_network(network, slices=3)


def test_what_holds_no_discrete_tables() -> None:
    with pytest.raises(ModelError, match=r"LinearGaussianBayesianNetwork .*networks\.continuous"):
        read_network(LinearGaussianBayesianNetwork([("a", "b")]))
    functional = FunctionalBayesianNetwork.__new__(FunctionalBayesianNetwork)
    with pytest.raises(ModelError, match=r"FunctionalBayesianNetwork .*networks\.continuous"):
        read_network(functional)
    with pytest.raises(ModelError, match="DAG holds no tables: fit its parameters"):
        read_network(pgmpy.base.DAG([("a", "b")]))
    assert is_network(rain())
    assert is_network(LinearGaussianBayesianNetwork([("a", "b")]))
    assert not is_network(factors()[0])


@pytest.mark.parametrize("name", list(AWKWARD))
def test_to_pgmpy_and_back(name: str) -> None:
    network = AWKWARD[name]
    model = to_pgmpy(network)
    assert model.check_model()
    again = read_network(model)
    assert (again.title, again.kind) == (network.title, network.kind)
    assert again.names == network.names
    assert again.states == network.states
    assert truth(again).log_z == pytest.approx(truth(network).log_z, abs=1e-12)
    np.testing.assert_allclose(truth(again).joint, truth(network).joint, atol=1e-14)


def test_to_pgmpy_keeps_constants_and_latents() -> None:
    constant = Factor((), np.array(np.log(7.0)))
    network = Network(("a", "b"), ((0, 1), ("x",)), (constant,), "c", frozenset({1}))
    again = read_network(to_pgmpy(network))
    assert truth(again).log_z == pytest.approx(np.log(14))
    assert again.latents == {1}
    with pytest.raises(ModelError, match="no variable"):
        to_pgmpy(Network((), (), (constant,)))
    huge = Network(("a",), ((0, 1),), (Factor((0,), np.array([0.0, 900.0])),))
    with pytest.raises(ModelError, match=r"potential exp\(900\)"):
        to_pgmpy(huge)
