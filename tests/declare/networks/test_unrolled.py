"""Dynamic Bayesian networks and Markov chains of pgmpy, unrolled."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pgmpy.factors.discrete import State, TabularCPD
from pgmpy.inference import DBNInference
from pgmpy.models import DiscreteBayesianNetwork, DynamicBayesianNetwork, MarkovChain

import probgen as pg
from probgen.declare.networks.kinds import slices_of
from probgen.declare.networks.pgmpy_models import read_network
from probgen.errors import ModelError, OptionError
from probgen.targets.factors import condition
from tests.inference.graphical.awkward import brute_force

INITIAL = TabularCPD(("Z", 0), 2, [[0.5], [0.5]])
EMISSION = TabularCPD(("X", 0), 2, [[0.6, 0.9], [0.4, 0.1]], [("Z", 0)], [2])
STEP = TabularCPD(("Z", 1), 2, [[0.7, 0.2], [0.3, 0.8]], [("Z", 0)], [2])


def weather(*cpds: TabularCPD) -> DynamicBayesianNetwork:
    model = DynamicBayesianNetwork([(("Z", 0), ("X", 0)), (("Z", 0), ("Z", 1))])
    model.add_cpds(*(cpds or (INITIAL, EMISSION, STEP)))
    return model


def test_structure_and_names() -> None:
    network = read_network(weather(), slices=3)
    assert network.names == (("Z", 0), ("X", 0), ("Z", 1), ("X", 1), ("Z", 2), ("X", 2))
    assert network.kind == "bayesian"
    assert [network.parents(v) for v in range(6)] == [(), (0,), (0,), (2,), (2,), (4,)]
    assert len(read_network(weather()).names) == 4
    assert read_network(weather(), slices=1).names == (("Z", 0), ("X", 0))


def test_agrees_with_inference_of_pgmpy() -> None:
    model = weather()
    model.initialize_initial_state()
    evidence = {("X", 0): 0, ("X", 1): 1, ("X", 2): 1, ("X", 3): 0}
    network = read_network(model, slices=4)
    target = condition(network, {network.position[v]: s for v, s in evidence.items()})
    marginals = brute_force(target).marginals
    inference = DBNInference(model)
    for t in range(4):
        place = list(target.free).index(network.position[("Z", t)])
        wanted = inference.query([("Z", t)], evidence=evidence)[("Z", t)].values
        np.testing.assert_allclose(marginals[place], wanted, rtol=1e-10)


def test_copies_of_pgmpy_change_nothing() -> None:
    model = weather()
    model.initialize_initial_state()
    one, two = read_network(weather(), slices=3), read_network(model, slices=3)
    joint = brute_force(condition(two)).joint
    place = [two.position[name] for name in one.names]
    np.testing.assert_allclose(
        brute_force(condition(one)).joint, joint.transpose(place), atol=1e-15
    )


def test_states_are_matched_between_slices() -> None:
    on_off, off_on = ["on", "off"], ["off", "on"]
    step = TabularCPD(
        ("Z", 1),
        2,
        [[0.8, 0.3], [0.2, 0.7]],
        [("Z", 0)],
        [2],
        {("Z", 1): off_on, ("Z", 0): off_on},
    )
    model = weather(
        TabularCPD(("Z", 0), 2, [[0.1], [0.9]], state_names={("Z", 0): on_off}),
        TabularCPD(
            ("X", 0),
            2,
            [[0.6, 0.9], [0.4, 0.1]],
            [("Z", 0)],
            [2],
            {("X", 0): [0, 1], ("Z", 0): on_off},
        ),
        step,
    )
    network = read_network(model, slices=3)
    assert {network.states[network.position["Z", t]] for t in range(3)} == {("on", "off")}
    on = [0.1]
    for _ in range(2):
        on.append(on[-1] * 0.7 + (1 - on[-1]) * 0.2)
    marginals = brute_force(condition(network)).marginals
    got = [marginals[network.position["Z", t]][0] for t in range(3)]
    np.testing.assert_allclose(got, on, rtol=1e-12)


def test_edges_to_other_variables_of_the_next_slice() -> None:
    model = DynamicBayesianNetwork([((0, 0), ("", 1)), ((0, 0), (0, 1)), (("", 0), (0, 0))])
    rng = np.random.default_rng(1)
    model.add_cpds(
        TabularCPD(("", 0), 2, [[0.3], [0.7]]),
        TabularCPD((0, 0), 3, rng.dirichlet(np.ones(3), 2).T, [("", 0)], [2]),
        TabularCPD(("", 1), 2, rng.dirichlet(np.ones(2), 3).T, [(0, 0)], [3]),
        TabularCPD((0, 1), 3, rng.dirichlet(np.ones(3), 6).T, [(0, 0), ("", 1)], [3, 2]),
    )
    network = read_network(model, slices=4)
    assert set(network.names) == {(name, t) for t in range(4) for name in (0, "")}
    given = {network.names[p] for p in network.parents(network.position[0, 3])}
    assert given == {(0, 2), ("", 3)}
    assert brute_force(condition(network)).log_z == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("cpds", "message"),
    [
        ((INITIAL, STEP), r"\('X', 0\) has no CPD \(and 1 more\)"),
        ((INITIAL, EMISSION), r"\('Z', 1\) has no CPD"),
        ((EMISSION, STEP), r"'Z' has no initial CPD: add one for \('Z', 0\)"),
        (
            (INITIAL, EMISSION, TabularCPD(("Z", 1), 2, [[0.5], [0.5]])),
            r"has an edge from \('Z', 0\) to \('Z', 1\)",
        ),
        ((INITIAL, EMISSION, STEP, INITIAL), r"\('Z', 0\) has two CPDs"),
        (
            (TabularCPD(("Z", 0), 3, [[0.2], [0.3], [0.5]]), EMISSION, STEP),
            r"'Z', 0\) has 3 states .* but 2 in|'Z'.* has .* states",
        ),
    ],
)
def test_bad_dynamic_networks(cpds, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_network(weather(*cpds))


@pytest.mark.parametrize("slices", [0, -1, 2.5, True, "3"])
def test_slices_must_be_a_positive_number(slices) -> None:
    with pytest.raises(OptionError, match="slices must be a whole number of at least 1"):
        read_network(weather(), slices=slices)


# Markov chains


def chain(start=None) -> MarkovChain:
    model = MarkovChain(["a", 0], [2, 3], start)
    model.add_transition_model("a", {0: {0: 0.25, 1: 0.75}, 1: {0: 0.5, 1: 0.5}})
    model.add_transition_model(0, {0: {1: 1.0}, 1: {2: 1.0}, 2: {0: 0.5, 2: 0.5}})
    return model


def test_chain_with_uniform_start() -> None:
    network = read_network(chain(), slices=3)
    assert network.names == (("a", 0), (0, 0), ("a", 1), (0, 1), ("a", 2), (0, 2))
    matrix = np.array([[0.25, 0.75], [0.5, 0.5]])
    marginals = brute_force(condition(network)).marginals
    wanted = np.full(2, 0.5) @ matrix @ matrix
    np.testing.assert_allclose(marginals[4], wanted, rtol=1e-12)


def test_chain_with_a_start_state() -> None:
    network = read_network(chain([State("a", 1), State(0, 0)]), slices=4)
    marginals = brute_force(condition(network)).marginals
    np.testing.assert_allclose(marginals[0], [0, 1])
    np.testing.assert_allclose(marginals[2], [0.5, 0.5])
    np.testing.assert_allclose(marginals[7], [0.5, 0, 0.5])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({}, "chain 'a' has no transitions from state 0: give them with add_transition_model"),
        ({0: {0: 1.0}}, "no transitions from state 1"),
        ({0: {0: 0.5, 2: 0.5}, 1: {1: 1.0}}, "'a' moves from state 0 to 2; its states are 0 to 1"),
        ({0: {0: 0.5}, 1: {1: 1.0}}, r"given \('a', 0\)=0 sums to 0.5, not 1"),
        ({0: {0: -0.5, 1: 1.5}, 1: {1: 1.0}}, "entry -0.5"),
    ],
)
def test_bad_chains(rows, message: str) -> None:
    model = chain()
    model.transition_models["a"] = rows
    with pytest.raises(ModelError, match=message):
        read_network(model)


@pytest.mark.parametrize(
    "evidence",
    [
        {("X", 2): 1},
        {("X", np.int64(2)): 1},
        {"X[2]": 1},
        pd.Series({("X", 2): 1, ("Z", 0): None}),
    ],
    ids=["tuple", "numpy", "text", "row"],
)
def test_evidence_tells_how_many_slices_are_needed(evidence) -> None:
    assert slices_of(weather(), evidence) == 3
    network = pg.describe(weather(), evidence)
    assert ("X", 2) in network.names
    known = pg.marginals(pg.infer(network, data={("X", 2): 1}, seed=0))
    told = pg.marginals(pg.infer(weather(), data=evidence, seed=0))
    np.testing.assert_allclose(told["probability"], known["probability"], rtol=1e-12)


@pytest.mark.parametrize("evidence", [None, ["X"], {}, {"X[a]": 1}])
def test_two_slices_are_the_least(evidence) -> None:
    assert slices_of(weather(), evidence) == 2


def test_pairs_are_plain_names_where_there_is_no_time() -> None:
    model = DiscreteBayesianNetwork([(("a", 3), ("b", 5))])
    model.add_cpds(
        TabularCPD(("a", 3), 2, [[0.5], [0.5]]),
        TabularCPD(("b", 5), 2, [[0.9, 0.2], [0.1, 0.8]], [("a", 3)], [2]),
    )
    assert slices_of(model, {("b", 5): 1}) is None
    for declared in (model, read_network(model)):
        tree = pg.infer(declared, data={("b", 5): 1}, seed=0)
        assert pg.marginals(tree).loc[("a[3]", "1"), "probability"] == pytest.approx(8 / 9)
        assert pg.check(declared, {("b", 5): 1}).ok


def test_slices_without_end_are_refused() -> None:
    with pytest.raises(OptionError, match="1000000001 time slices"):
        pg.infer(weather(), data={("X", 10**9): 1})
    report = pg.check(weather(), {("X", 10**9): 1})
    assert "time slices" in str(report)
    assert not report.ok
