"""Exact inference against brute force, by every engine, on every awkward network."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from probgen.declare.network import Factor, Network
from probgen.errors import BuildError, EvidenceError, ModelError, OptionError, TooLargeError
from probgen.inference.graphical.elimination import native_tree, plan
from probgen.inference.graphical.elimination import tree as tree_module
from probgen.inference.graphical.elimination.joint import joint_marginal
from probgen.inference.graphical.elimination.memory import cost_of
from probgen.inference.graphical.elimination.tree import calibrate, factor_marginals
from probgen.inference.graphical.exact import Exact
from probgen.inference.graphical.method import GraphPlan
from probgen.targets.factors import Factors, condition
from tests.inference.graphical.awkward import AWKWARD, brute_force, grid, markov

PLAN = GraphPlan(chains=2, draws=300, warmup=0, seed=3)


@pytest.fixture(params=["native", "numpy"])
def engine(request, monkeypatch):
    """Both engines; without a compiler there is numpy alone."""

    def missing(entry: str) -> None:
        raise BuildError("no compiler")

    plan._plans.clear()
    if request.param == "numpy":
        monkeypatch.setattr(native_tree, "open_library", missing)
        monkeypatch.setattr(plan, "open_library", missing)
    yield request.param
    plan._plans.clear()


def cases(network: Network) -> list[Factors]:
    """The network without evidence, and with its first or last variable observed."""
    last = len(network.names) - 1
    conditioned = [condition(network, e) for e in ({}, {0: 0}, {last: 0})]
    return [factors for factors in conditioned if len(factors.free)]


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_network(name, engine):
    for factors in cases(AWKWARD[name]):
        truth = brute_force(factors)
        tree = calibrate(factors)
        assert tree.engine == engine
        assert tree.log_z == pytest.approx(truth.log_z, abs=1e-12)
        marginals = tree.marginals()
        for v, expected in enumerate(truth.marginals):
            np.testing.assert_allclose(marginals.of(v), expected, atol=1e-13)
        for scope, table in zip(factors.scopes, tree.factor_marginals(), strict=True):
            np.testing.assert_allclose(table, joint_of(truth.joint, scope), atol=1e-13)
        for clique in tree.plan.cliques:
            np.testing.assert_allclose(
                tree.clique(clique.tolist()), joint_of(truth.joint, clique.tolist()), atol=1e-13
            )


@pytest.mark.parametrize("name", ["loop", "disconnected", "cards", "functional"])
def test_joint_of_any_variables(name, engine):
    factors = condition(AWKWARD[name])
    truth = brute_force(factors)
    for pair in itertools.permutations(range(len(factors.free)), 2):
        np.testing.assert_allclose(
            joint_marginal(factors, pair), joint_of(truth.joint, pair), atol=1e-13
        )
    assert joint_marginal(factors, ()) == pytest.approx(1.0)


@pytest.mark.parametrize("name", AWKWARD)
def test_draws_are_of_the_joint(name, engine):
    for factors in cases(AWKWARD[name]):
        truth = brute_force(factors)
        count = 4000
        states = calibrate(factors).sample(count, seed=11)
        assert states.shape == (count, len(factors.free))
        assert np.isfinite(factors.log_joint(states)).all()
        for pair in itertools.combinations(range(len(factors.free)), min(2, len(factors.free))):
            expected = joint_of(truth.joint, pair)
            seen = np.zeros(expected.shape)
            np.add.at(seen, tuple(states[:, v] for v in pair), 1 / count)
            error = np.sqrt(expected * (1 - expected) / count)
            assert (np.abs(seen - expected) <= 5 * error + 1 / count).all()


def test_draws_depend_on_the_seed_alone(monkeypatch):
    tree = calibrate(condition(AWKWARD["grid"]))
    many = tree.sample(1000, seed=-5)
    np.testing.assert_array_equal(tree.sample(200, seed=-5), many[:200])
    monkeypatch.setattr(tree_module, "SLICE", 300)
    np.testing.assert_array_equal(tree.sample(1000, seed=-5), many)
    np.testing.assert_array_equal(tree.sample(1000, seed=-5, threads=3), many)
    assert (tree.sample(1000, seed=6) != many).any()


def test_everything_observed(engine):
    network = AWKWARD["bayesian"]
    factors = condition(network, dict.fromkeys(range(4), 0))
    result = Exact().run(factors, PLAN)
    assert result.summary["log_evidence"] == factors.log_constant
    assert result.marginals.probabilities.shape == (0,)
    assert result.states.shape == (2, 300, 0)


def test_result_of_the_method(engine):
    factors = condition(AWKWARD["cards"], {0: 2})
    truth = brute_force(factors)
    result = Exact().run(factors, PLAN)
    assert result.states.shape == (2, 300, 3)
    assert result.states.dtype == np.uint8
    np.testing.assert_array_equal(result.stats["log_joint"], factors.log_joint(result.states))
    summary = result.summary
    assert summary["log_evidence"] == pytest.approx(truth.log_z)
    assert (summary["engine"], summary["width"]) == (engine, 1)
    assert bool(summary["notes"]) == (engine == "numpy")
    json.dumps(summary)
    assert result.marginals.errors is None


def test_no_draws(engine):
    factors = condition(AWKWARD["loop"])
    result = Exact().run(factors, replace(PLAN, draws=0))
    assert result.states.shape == (2, 0, 4)
    assert result.stats["log_joint"].shape == (2, 0)


def test_many_states_are_drawn_as_uint16(engine):
    rng = np.random.default_rng(0)
    tables = (Factor((0,), rng.normal(size=300)), Factor((0, 1), rng.normal(size=(300, 2))))
    network = Network(("a", "b"), (tuple(range(300)), (0, 1)), tables)
    factors = condition(network)
    states = calibrate(factors).sample(2000, seed=1)
    assert states.dtype == np.uint16
    expected = brute_force(factors).marginals[0]
    seen = np.bincount(states[:, 0], minlength=300) / 2000
    assert (np.abs(seen - expected) < 5 * np.sqrt(expected / 2000) + 1 / 2000).all()


def test_more_states_than_a_draw_can_hold():
    network = Network(("a",), (tuple(range(70_000)),), (Factor((0,), np.zeros(70_000)),))
    factors = condition(network)
    with pytest.raises(TooLargeError, match=r"'a' has 70000 states.*draws=0"):
        Exact().run(factors, PLAN)
    result = Exact().run(factors, replace(PLAN, draws=0))
    np.testing.assert_allclose(result.marginals.of(0), 1 / 70_000)


def test_oracle_is_the_gradient_of_log_z():
    factors = condition(AWKWARD["high_order"], {4: 1})
    log_z, tables = factor_marginals(factors)
    step = 1e-6
    for f, table in enumerate(factors.log_tables):
        for index in np.ndindex(table.shape):
            moved = table.copy()
            moved[index] += step
            changed = (*factors.log_tables[:f], moved, *factors.log_tables[f + 1 :])
            slope = (factor_marginals(replace(factors, log_tables=changed))[0] - log_z) / step
            assert slope == pytest.approx(tables[f][index], abs=1e-5)


# Potentials beyond the range of doubles ----------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 100.0, 2000.0])
@pytest.mark.parametrize("name", ["loop", "cards", "grid", "high_order", "complete"])
def test_extreme_potentials(name, scale, engine):
    network = AWKWARD[name]
    tables = tuple(replace(f, log_table=f.log_table * scale) for f in network.factors)
    factors = condition(replace(network, factors=tables))
    truth = brute_force(factors)
    tree = calibrate(factors)
    assert tree.log_z == pytest.approx(truth.log_z, rel=1e-13)
    for v, expected in enumerate(truth.marginals):
        np.testing.assert_allclose(tree.marginals().of(v), expected, atol=1e-10)


def test_faint_chain_turned_by_its_end(engine):
    """Each link multiplies one path by 1e-300; the last variable rules the other paths out."""
    n = 8
    with np.errstate(divide="ignore"):
        link = np.log(np.array([[1.0, 0.0], [0.0, 1e-300]]))
        end = np.log(np.array([0.0, 1.0]))
    factors = [Factor((v, v + 1), link) for v in range(n - 1)]
    network = Network(
        tuple(range(n)), ((0, 1),) * n, (*factors, Factor((n - 1,), end)), "faint chain"
    )
    tree = calibrate(condition(network))
    assert tree.domain == "log"
    assert tree.log_z == pytest.approx((n - 1) * np.log(1e-300), rel=1e-14)
    for v in range(n):
        np.testing.assert_allclose(tree.marginals().of(v), [0.0, 1.0])


def test_long_chain_of_small_tables_stays_linear():
    n = 400
    table = np.log(np.array([[0.6, 0.4], [0.3, 0.7]])) - 600.0
    factors = tuple(Factor((v, v + 1), table) for v in range(n - 1))
    tree = calibrate(condition(Network(tuple(range(n)), ((0, 1),) * n, factors, "chain")))
    if tree.engine == "native":
        assert tree.domain == "linear"
    assert tree.log_z == pytest.approx(np.log(2) - 600.0 * (n - 1), rel=1e-13)


# What is refused ---------------------------------------------------------------------------------


def test_too_large_is_refused_before_anything_is_allocated():
    factors = condition(grid(60, 60, 1.0, 0.1))
    with pytest.raises(TooLargeError, match=r"width \d\d.*2\^\d\d.*Gibbs.*BeliefPropagation"):
        calibrate(factors)
    assert not cost_of(factors).feasible


def test_memory_option_is_the_limit():
    factors = condition(AWKWARD["complete"])
    with pytest.raises(TooLargeError, match=r"the limit is 100 bytes.*memory="):
        Exact(memory=1e-7).run(factors, PLAN)
    with pytest.raises(TooLargeError, match="joint table of 2 variables"):
        joint_marginal(factors, (0, 1), memory=1e-9)


@pytest.mark.parametrize("memory", [0, -1.0, True, "much"])
def test_memory_must_be_positive(memory):
    with pytest.raises(OptionError, match="positive number of GB"):
        Exact(memory=memory)


def test_impossible_evidence_is_named(engine):
    with np.errstate(divide="ignore"):
        copy = np.log(np.eye(3))
    tables = (Factor((0,), np.log(np.full(3, 1 / 3)), 0), Factor((0, 1), copy, 1))
    tables += (Factor((1, 2), copy, 2), Factor((3,), np.log([0.5, 0.5]), 3))
    tables += (Factor((3, 4), np.log([[0.5, 0.5], [0.1, 0.9]]), 4),)
    states = (("low", "mid", "high"),) * 3 + (("no", "yes"),) * 2
    network = Network(("x0", "x1", "x2", "x3", "x4"), states, tables)
    factors = condition(network, {4: 0, 0: 0, 3: 1, 2: 2})
    with pytest.raises(EvidenceError, match=r"x0=low, x2=high has probability zero") as told:
        calibrate(factors)
    assert "x3" not in str(told.value)
    assert "2 other observed" in str(told.value)


def test_impossible_likelihood_is_told_apart():
    network = AWKWARD["copies"]
    table = np.exp(network.factors[1].log_table)
    image = int(table[0].argmax())
    likelihood = np.ones(4)
    likelihood[image] = 0
    with pytest.raises(EvidenceError, match="likelihoods given for other variables"):
        calibrate(condition(network, {0: 0}, {1: likelihood}))


def test_contradicting_factors_are_no_fault_of_the_evidence():
    with np.errstate(divide="ignore"):
        tables = (Factor((0, 1), np.log(np.eye(2))), Factor((0, 1), np.log(1 - np.eye(2))))
    network = Network(("a", "b", "c"), ((0, 1),) * 3, (*tables, Factor((2,), np.zeros(2))))
    for evidence in ({}, {2: 0}):
        with pytest.raises(ModelError, match="contradict each other"):
            calibrate(condition(network, evidence))


def test_no_clique_holds_the_variables():
    tree = calibrate(condition(AWKWARD["chain"]))
    with pytest.raises(OptionError, match=r"No clique holds all.*joint_marginal"):
        tree.clique((0, 3))
    with pytest.raises(OptionError, match="named twice"):
        joint_marginal(condition(markov([2, 2], [(0, 1)], 0, "pair")), (1, 1))


def joint_of(joint: np.ndarray, scope) -> np.ndarray:
    """The marginal of a joint over the axes `scope`, in that order."""
    away = tuple(a for a in range(joint.ndim) if a not in scope)
    left = sorted(scope)
    return joint.sum(axis=away).transpose([left.index(v) for v in scope])
