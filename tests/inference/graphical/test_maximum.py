"""Most probable states against brute force, by every engine, on every awkward network."""

from __future__ import annotations

import json

import numpy as np
import pytest

from probgen.declare.network import Factor, Network
from probgen.errors import BuildError, EvidenceError, OptionError, TooLargeError
from probgen.inference.graphical.elimination import most_probable, native_tree, plan
from probgen.inference.graphical.maximum import MAP
from probgen.inference.graphical.method import GraphPlan
from probgen.targets.factors import condition
from tests.inference.graphical.awkward import AWKWARD, bayesian, brute_force, grid

PLAN = GraphPlan(chains=1, draws=1, warmup=0, seed=0)


@pytest.fixture(params=["native", "numpy"])
def engine(request, monkeypatch):
    """Both engines."""

    def missing(entry: str) -> None:
        raise BuildError("no compiler")

    plan._plans.clear()
    if request.param == "numpy":
        for module in (native_tree, plan, most_probable):
            monkeypatch.setattr(module, "open_library", missing)
    yield request.param
    plan._plans.clear()


@pytest.mark.parametrize("name", AWKWARD)
def test_most_probable_explanation(name, engine):
    network = AWKWARD[name]
    for evidence in ({}, {0: 0}, {len(network.names) - 1: 0}):
        factors = condition(network, evidence)
        if not len(factors.free):
            continue
        truth = brute_force(factors)
        result = MAP().run(factors, PLAN)
        summary = result.summary
        assert summary["engine"] == engine
        assert summary["log_probability"] == pytest.approx(np.log(truth.joint.max()), abs=1e-12)
        states = result.states[0, 0]
        assert truth.joint[tuple(states)] == pytest.approx(truth.joint.max(), rel=1e-12)
        assert summary["log_joint"] == pytest.approx(float(factors.log_joint(states)))
        for v, state in enumerate(states):
            assert result.marginals.of(v)[state] == 1.0
            assert result.marginals.of(v).sum() == 1.0
        json.dumps(summary)


@pytest.mark.parametrize("name", AWKWARD)
def test_marginal_map(name, engine):
    factors = condition(AWKWARD[name])
    truth = brute_force(factors)
    rng = np.random.default_rng(5)
    n = len(factors.free)
    for _ in range(4):
        chosen = rng.permutation(n)[: rng.integers(1, n + 1)].tolist()
        others = tuple(v for v in range(n) if v not in chosen)
        table = truth.joint.sum(axis=others, keepdims=True)
        result = MAP(variables=tuple(factors.name(v) for v in chosen)).run(factors, PLAN)
        assert result.summary["maximised"] == chosen
        assert result.summary["log_probability"] == pytest.approx(np.log(table.max()), abs=1e-12)
        states = result.states[0, 0]
        at = tuple(states[v] if v in chosen else 0 for v in range(n))
        assert table[at] == pytest.approx(table.max(), rel=1e-12)
        row = truth.joint[tuple(states[v] if v in chosen else slice(None) for v in range(n))]
        assert truth.joint[tuple(states)] == pytest.approx(row.max(), rel=1e-12)


def test_marginal_map_differs_from_the_explanation(engine):
    """a=1 has the single best joint state, a=0 the larger probability."""
    a = Factor((0,), np.log([0.6, 0.4]), 0)
    b = Factor((0, 1), np.log([[0.34, 0.33, 0.33], [0.9, 0.05, 0.05]]), 1)
    factors = condition(Network(("a", "b"), ((0, 1), (0, 1, 2)), (a, b)))
    assert MAP().run(factors, PLAN).states.tolist() == [[[1, 0]]]
    result = MAP(variables=("a",)).run(factors, PLAN)
    assert result.states.tolist() == [[[0, 0]]]
    assert result.summary["log_probability"] == pytest.approx(np.log(0.6))
    assert any("not asked for" in note for note in result.summary["notes"])


def test_ties_are_broken_alike_each_time(engine):
    factors = condition(grid(4, 4, 1.0, 0.0, seed=None))
    first = MAP().run(factors, PLAN).states
    assert np.unique(first).size == 1
    np.testing.assert_array_equal(MAP().run(factors, PLAN).states, first)


def test_extreme_potentials(engine):
    table = np.array([[-3000.0, 2000.0], [1999.0, -5000.0]])
    factors = condition(
        Network((0, 1, 2), ((0, 1),) * 3, (Factor((0, 1), table), Factor((1, 2), table)))
    )
    result = MAP().run(factors, PLAN)
    assert result.summary["log_joint"] == 3999.0
    assert result.states.tolist() == [[[0, 1, 0]]]


def test_everything_observed(engine):
    factors = condition(AWKWARD["xor"], {0: 0, 1: 1, 2: 1})
    result = MAP().run(factors, PLAN)
    assert result.states.shape == (1, 1, 0)
    assert result.summary["log_probability"] == 0.0


def test_variables_by_name():
    network = bayesian([2, 2, 2], [(), (0,), (1,)], 0, "alarm")
    factors = condition(network, {2: 0})
    with pytest.raises(OptionError, match=r"'alarm' has no variable 'x11'; did you mean x1"):
        MAP(variables=("x11",)).run(factors, PLAN)
    with pytest.raises(OptionError, match="'x2' is observed to be 's0'"):
        MAP(variables=("x2",)).run(factors, PLAN)
    with pytest.raises(OptionError, match="'x1' is named twice"):
        MAP(variables=("x1", "x1")).run(factors, PLAN)
    pairs = condition(grid(2, 2, 1.0, 0.0))
    assert MAP(variables=((0, 1), "1[0]")).run(pairs, PLAN).summary["maximised"] == [1, 2]


@pytest.mark.parametrize("variables", ["rain", 3, ()])
def test_variables_must_be_a_tuple(variables):
    with pytest.raises(OptionError, match=r"MAP\(variables="):
        MAP(variables=variables)


def test_refusals():
    with pytest.raises(OptionError, match="positive number of GB"):
        MAP(memory=0)
    with pytest.raises(TooLargeError, match="width"):
        MAP().run(condition(grid(60, 60, 1.0, 0.1)), PLAN)
    with np.errstate(divide="ignore"):
        copy = Factor((0, 1), np.log(np.eye(2)))
    network = Network(("a", "b", "c"), ((0, 1),) * 3, (copy, Factor((1, 2), copy.log_table)))
    with pytest.raises(EvidenceError, match="a=0, c=1 has probability zero"):
        MAP().run(condition(network, {0: 0, 2: 1}), PLAN)


def test_summing_first_can_need_larger_tables():
    """Maximising over one side of a ladder, the other summed out, ties that side together."""
    factors = condition(grid(2, 8, 1.0, 0.3))
    side = tuple((0, c) for c in range(8))
    narrow = MAP().run(factors, PLAN).summary["width"]
    assert narrow == 2
    assert MAP(variables=side).run(factors, PLAN).summary["width"] == 8
