"""Mean field: a rising lower bound, a stationary point, no mass on impossible states."""

from functools import reduce

import numpy as np
import pytest

from probgen.compile.build import build
from probgen.declare.network import Factor, Network
from probgen.errors import (
    BuildError,
    InitialisationError,
    ModelError,
    OptionError,
    SamplingError,
)
from probgen.inference.graphical import mean_field
from probgen.inference.graphical.mean_field import MeanField
from probgen.inference.graphical.messages.expectation import (
    NativeExpectation,
    NumpyExpectation,
    Splitting,
)
from probgen.inference.graphical.messages.graph import message_graph
from probgen.inference.graphical.method import GraphPlan, GraphResult, Marginals
from probgen.inference.graphical.native.library import source
from probgen.targets.factors import condition
from tests.inference.graphical.awkward import (
    AWKWARD,
    DETERMINISTIC,
    POSITIVE,
    brute_force,
    grid,
)

PLAN = GraphPlan(chains=1, draws=0, warmup=0, seed=1)


def product_of(marginals, n):
    """The joint table of independent variables."""
    return reduce(np.multiply.outer, [marginals.of(v) for v in range(n)], np.ones(()))


def bound_by_hand(q, truth):
    """E_q[log p - log q] + log Z over the whole joint table."""
    positive = q > 0
    p = truth.joint[positive]
    if (p == 0).any():
        return -np.inf
    return float((q[positive] * (np.log(p) - np.log(q[positive]))).sum() + truth.log_z)


def random_beliefs(tables, seed):
    graph, rng = tables.graph, np.random.default_rng(seed)
    parts = [rng.dirichlet(np.ones(card)) for card in graph.cards]
    return np.concatenate(parts)


@pytest.mark.parametrize("name", AWKWARD)
def test_bound_is_right_and_a_lower_bound(name):
    factors = condition(AWKWARD[name])
    truth = brute_force(factors)
    result = MeanField().run(factors, PLAN)
    q = product_of(result.marginals, len(factors.free))
    assert q.sum() == pytest.approx(1)
    assert result.summary["log_evidence"] == pytest.approx(bound_by_hand(q, truth), abs=1e-9)
    assert result.summary["log_evidence"] <= truth.log_z + 1e-9
    assert result.summary["log_evidence_is"] == "lower bound"
    assert result.summary["converged"]
    assert result.states is None


@pytest.mark.parametrize("name", ["unary", "single", "no_factor"])
def test_exact_where_variables_are_independent(name):
    factors = condition(POSITIVE[name])
    truth = brute_force(factors)
    result = MeanField().run(factors, PLAN)
    assert result.summary["log_evidence"] == pytest.approx(truth.log_z, abs=1e-12)
    np.testing.assert_allclose(
        result.marginals.probabilities, np.concatenate(truth.marginals), atol=1e-12
    )


@pytest.mark.parametrize("name", POSITIVE)
def test_every_sweep_raises_the_bound(name):
    tables = Splitting.of(message_graph(condition(POSITIVE[name])))
    check_monotone(NativeExpectation(), tables)


def check_monotone(engine, tables):
    for seed in range(3):
        beliefs = random_beliefs(tables, seed)
        last = engine.bound(tables, beliefs).value
        for _ in range(15):
            engine.ascend(tables, beliefs, power=1.0, penalty=np.inf, sweeps=1, tolerance=0.0)
            now = engine.bound(tables, beliefs).value
            assert now >= last - 1e-11
            last = now


@pytest.mark.parametrize("name", ["chain", "loop", "cards", "high_order", "bayesian"])
def test_no_direction_raises_the_bound_at_the_end(name):
    """A coordinate ascent that stops at the wrong place would be passed by small moves."""
    factors = condition(POSITIVE[name])
    truth = brute_force(factors)
    result = MeanField(tolerance=1e-12).run(factors, PLAN)
    rng = np.random.default_rng(0)
    parts = [result.marginals.of(v) for v in range(len(factors.free))]
    for v in range(len(parts)):
        for _ in range(5):
            moved = [p.copy() for p in parts]
            moved[v] = moved[v] * np.exp(0.05 * rng.normal(size=len(moved[v])))
            moved[v] /= moved[v].sum()
            q = reduce(np.multiply.outer, moved, np.ones(()))
            assert bound_by_hand(q, truth) <= result.summary["log_evidence"] + 1e-12


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_no_mass_on_impossible_states(name):
    factors = condition(DETERMINISTIC[name])
    truth = brute_force(factors)
    for seed in range(5):
        result = MeanField(restarts=1).run(factors, GraphPlan(1, 0, 0, seed))
        q = product_of(result.marginals, len(factors.free))
        assert (q[truth.joint == 0] == 0).all()
        assert np.isfinite(result.summary["log_evidence"])


def unsatisfiable():
    """Three neighbours that must all differ, with two states each."""
    with np.errstate(divide="ignore"):
        differ = np.log(1 - np.eye(2))
    pairs = ((0, 1), (1, 2), (2, 0))
    factors = tuple(Factor(pair, differ) for pair in pairs)
    return Network(("a", "b", "c"), ((0, 1),) * 3, factors, "triangle")


def test_nothing_possible_is_an_error():
    with pytest.raises(ModelError, match="factors of 'triangle' contradict each other"):
        MeanField().run(condition(unsatisfiable()), PLAN)


def test_no_possible_state_found_is_an_error(monkeypatch):
    def none_found(*_):
        raise InitialisationError("none")

    def no_mode(*_):
        return GraphResult(Marginals(np.zeros(1), np.zeros(0)))

    monkeypatch.setattr(mean_field, "starting_states", none_found)
    monkeypatch.setattr(mean_field.BeliefPropagation, "run", no_mode)
    with pytest.raises(SamplingError, match="mass on impossible states of 'triangle'"):
        MeanField().run(condition(unsatisfiable()), PLAN)


def test_last_resort_is_the_mode_of_max_product(monkeypatch):
    factors = condition(AWKWARD["functional"])
    tables = Splitting.of(message_graph(factors))
    stuck = np.zeros(tables.graph.state_offsets[-1])
    found = mean_field.BeliefPropagation(mode="max").run(factors, PLAN).summary["log_joint"]
    monkeypatch.setattr(
        MeanField, "_ascend", lambda *args: mean_field._Fit(stuck, -np.inf, 0, 0.0, True)
    )
    result = MeanField(restarts=1).run(factors, PLAN)
    assert result.summary["log_evidence"] >= found - 1e-12
    assert "possible configuration" in result.summary["notes"][0]


@pytest.mark.parametrize("name", AWKWARD)
def test_native_and_numpy_agree(name):
    tables = Splitting.of(message_graph(condition(AWKWARD[name])))
    native, slow = NativeExpectation(), NumpyExpectation()
    ours, theirs = random_beliefs(tables, 1), random_beliefs(tables, 1)
    for penalty in (3.0, np.inf):
        settings = {"power": 0.7, "penalty": penalty, "sweeps": 3, "tolerance": 1e-300}
        native.ascend(tables, ours, **settings)
        slow.ascend(tables, theirs, **settings)
        np.testing.assert_allclose(ours, theirs, atol=1e-13)
    a, b = native.bound(tables, ours), slow.bound(tables, theirs)
    assert a.energy == pytest.approx(b.energy, abs=1e-12)
    assert a.forbidden == pytest.approx(b.forbidden, abs=1e-12)
    assert a.entropy == pytest.approx(b.entropy, abs=1e-12)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("score[x] += expectation.out[x];", "score[x] += 0.5 * expectation.out[x];"),
        ("sum += table[p * d + x] * in[i][x];", "sum += table[p * d + x];"),
    ],
    ids=["half of the expected logarithm", "expectation without its weights"],
)
def test_mutation_is_noticed(old, new):
    text = source("mean_field.cpp")
    assert text.count(old) == 1, "the mutation no longer fits the source"
    tables = Splitting.of(message_graph(condition(POSITIVE["cards"])))
    check_monotone(NativeExpectation(build(text, "mean_field")), tables)
    with pytest.raises(AssertionError):
        check_monotone(NativeExpectation(build(text.replace(old, new), "mean_field")), tables)


def test_ferromagnet_breaks_the_symmetry_or_finds_the_better_mode():
    """A strong ferromagnet in a weak field: annealing ends in the favoured mode."""
    factors = condition(grid(5, 5, 1.0, 0.05, seed=None))
    result = MeanField(restarts=1).run(factors, PLAN)
    assert min(result.marginals.of(v)[1] for v in range(25)) > 0.9


def test_same_seed_same_result():
    factors = condition(AWKWARD["functional"])
    runs = [MeanField(restarts=3).run(factors, GraphPlan(1, 0, 0, -(10**30))) for _ in range(2)]
    np.testing.assert_array_equal(*(run.marginals.probabilities for run in runs))


def test_everything_observed():
    factors = condition(AWKWARD["chain"], dict.fromkeys(range(4), 0))
    result = MeanField().run(factors, PLAN)
    assert result.marginals.probabilities.size == 0
    assert result.summary["log_evidence"] == pytest.approx(factors.log_constant)


def test_without_a_compiler(monkeypatch):
    def no_compiler():
        raise BuildError("No C++ compiler.")

    factors = condition(AWKWARD["loop"])
    reference = MeanField(tolerance=1e-12).run(factors, PLAN)
    monkeypatch.setattr(mean_field, "NativeExpectation", no_compiler)
    result = MeanField(tolerance=1e-12).run(factors, PLAN)
    assert result.summary["engine"] == "numpy"
    assert "numpy" in result.summary["notes"][0]
    np.testing.assert_allclose(
        result.marginals.probabilities, reference.marginals.probabilities, atol=1e-9
    )


def test_missing_convergence_is_said():
    result = MeanField(iterations=1, restarts=1).run(condition(AWKWARD["grid"]), PLAN)
    assert not result.summary["converged"]
    assert "did not converge in 1 sweeps" in result.summary["notes"][0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"restarts": 0}, "restarts=0"),
        ({"iterations": 1.5}, "iterations=1.5"),
        ({"tolerance": -1.0}, "must be positive"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(OptionError, match=message):
        MeanField(**options)
