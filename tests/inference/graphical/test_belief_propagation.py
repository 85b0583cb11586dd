"""Belief propagation: exact on forests, a fixed point on loops, awkward graphs and bad input."""

import itertools

import numpy as np
import pytest

from probgen.declare.network import Factor, Network
from probgen.errors import BuildError, EvidenceError, OptionError
from probgen.inference.graphical import belief_propagation
from probgen.inference.graphical.belief_propagation import BeliefPropagation, factor_marginals
from probgen.inference.graphical.messages.convergence import PassingSettings
from probgen.inference.graphical.messages.graph import message_graph
from probgen.inference.graphical.messages.native_engine import SCHEDULES, open_messages
from probgen.inference.graphical.messages.numpy_engine import NumpyMessages
from probgen.inference.graphical.method import GraphPlan
from probgen.targets.factors import condition
from tests.inference.graphical.awkward import (
    AWKWARD,
    POSITIVE,
    bayesian,
    brute_force,
    grid,
    markov,
    xor,
)

PLAN = GraphPlan(chains=1, draws=0, warmup=0, seed=0)
LOOPY = ("loop", "complete", "cards", "grid")
HIGH_ORDER_TREE = markov(
    [2, 3, 4, 2, 3, 2, 2], [(0, 1, 2), (4, 2, 3), (1, 5), (6, 0)], 17, "high_order_tree"
)
NETWORKS = {**AWKWARD, "high_order_tree": HIGH_ORDER_TREE}
FORESTS = tuple(name for name in NETWORKS if name not in LOOPY)
TIGHT = PassingSettings(tolerance=1e-13)


def worst_error(result, truth):
    errors = [np.abs(result.marginals.of(v) - p).max() for v, p in enumerate(truth.marginals)]
    return max(errors, default=0.0)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", FORESTS)
def test_exact_on_forests(name, schedule):
    factors = condition(NETWORKS[name])
    truth = brute_force(factors)
    result = BeliefPropagation(schedule=schedule, tolerance=1e-13).run(factors, PLAN)
    assert worst_error(result, truth) < 1e-10
    assert result.summary["log_evidence"] == pytest.approx(truth.log_z, abs=1e-10)
    assert result.summary["exact"]
    assert "exact" in result.summary["log_evidence_is"]
    assert result.states is None
    assert not result.summary["notes"]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", LOOPY)
def test_loops_are_approximate_and_say_so(name, schedule):
    factors = condition(NETWORKS[name])
    truth = brute_force(factors)
    result = BeliefPropagation(schedule=schedule).run(factors, PLAN)
    assert result.summary["converged"]
    assert result.summary["residual"] < 1e-6
    assert result.summary["log_evidence_is"] == "Bethe approximation"
    assert not result.summary["exact"]
    assert worst_error(result, truth) < 0.06
    assert result.summary["log_evidence"] == pytest.approx(truth.log_z, abs=0.15)


@pytest.mark.parametrize("name", LOOPY)
def test_schedules_and_damping_share_the_fixed_point(name):
    factors = condition(NETWORKS[name])
    reference = BeliefPropagation(tolerance=1e-12).run(factors, PLAN)
    for schedule, damping in itertools.product(SCHEDULES, (0.0, 0.4)):
        method = BeliefPropagation(schedule=schedule, damping=damping, tolerance=1e-12)
        other = method.run(factors, PLAN)
        assert other.summary["converged"]
        np.testing.assert_allclose(
            other.marginals.probabilities, reference.marginals.probabilities, atol=1e-9
        )


@pytest.mark.parametrize("name", POSITIVE)
def test_beliefs_are_the_gradient_of_the_bethe_log_partition(name):
    """At a fixed point d log Z / d log table = belief, which ties all counting numbers."""
    network = POSITIVE[name]
    log_z, tables = factor_marginals(condition(network), TIGHT)
    rng, step = np.random.default_rng(0), 1e-5
    assert log_z == pytest.approx(
        BeliefPropagation(tolerance=1e-13).run(condition(network), PLAN).summary["log_evidence"]
    )
    for f, factor in enumerate(network.factors):
        direction = rng.normal(size=factor.log_table.shape)
        values = []
        for sign in (1, -1):
            moved = Factor(factor.scope, factor.log_table + sign * step * direction)
            changed = (*network.factors[:f], moved, *network.factors[f + 1 :])
            target = condition(Network(network.names, network.states, changed))
            values.append(factor_marginals(target, TIGHT)[0])
        slope = (values[0] - values[1]) / (2 * step)
        assert slope == pytest.approx(float((tables[f] * direction).sum()), abs=2e-7)


@pytest.mark.parametrize("name", NETWORKS)
def test_factor_beliefs_agree_with_those_of_variables(name):
    factors = condition(NETWORKS[name])
    result = BeliefPropagation(tolerance=1e-13).run(factors, PLAN)
    _, tables = factor_marginals(factors, TIGHT)
    assert len(tables) == len(factors.scopes)
    for scope, table, given in zip(factors.scopes, tables, factors.log_tables, strict=True):
        assert table.shape == given.shape
        assert table.sum() == pytest.approx(1)
        assert (table[given == -np.inf] == 0).all()
        for axis, v in enumerate(scope):
            away = tuple(a for a in range(len(scope)) if a != axis)
            np.testing.assert_allclose(table.sum(axis=away), result.marginals.of(v), atol=1e-10)


@pytest.mark.parametrize("maximum", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_native_and_numpy_agree(name, maximum):
    graph = message_graph(condition(NETWORKS[name]))
    native, slow = open_messages(), NumpyMessages()
    messages = [graph.uniform_messages(), graph.uniform_messages()]
    residuals = [
        engine.run(
            graph, each, maximum=maximum, schedule="flooding", damping=0.3, first=0, sweeps=6,
            tolerance=1e-300,
        )
        for engine, each in zip((native, slow), messages, strict=True)
    ]  # fmt: skip
    size = min(map(len, residuals))  # rounding may end one of them a sweep earlier
    np.testing.assert_allclose(residuals[0][:size], residuals[1][:size], atol=1e-12)
    np.testing.assert_allclose(messages[0], messages[1], atol=1e-12)
    ours, theirs = (
        engine.beliefs(graph, messages[0], with_factors=True) for engine in (native, slow)
    )
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)
    states = native.decode(graph, messages[0])
    np.testing.assert_array_equal(states, slow.decode(graph, messages[0]))
    start = np.zeros(len(graph.cards), dtype=np.int32)
    np.testing.assert_array_equal(native.improve(graph, start, 20), slow.improve(graph, start, 20))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", FORESTS)
def test_max_product_finds_a_mode_of_forests(name, schedule):
    factors = condition(NETWORKS[name])
    best = brute_force(factors)
    best_log = np.log(best.joint.max()) + best.log_z
    result = BeliefPropagation(mode="max", schedule=schedule, tolerance=1e-13).run(factors, PLAN)
    assert result.states.shape == (1, 1, len(factors.free))
    assert result.states.dtype == np.uint8
    assert result.stats["log_joint"][0, 0] == pytest.approx(best_log, abs=1e-10)
    assert factors.log_joint(result.states)[0, 0] == result.summary["log_joint"]
    assert "log_evidence" not in result.summary
    for v in range(len(factors.free)):
        away = tuple(a for a in range(best.joint.ndim) if a != v)
        max_marginal = best.joint.max(axis=away)
        np.testing.assert_allclose(
            result.marginals.of(v), max_marginal / max_marginal.sum(), atol=1e-10
        )


def test_max_product_breaks_ties_consistently():
    """Neighbours must differ: two modes, and each variable alone has a tie."""
    differ = np.array([[-2.0, 1.0], [1.0, -2.0]])
    n = 12
    factors = condition(
        Network(
            tuple(range(n)),
            ((0, 1),) * n,
            tuple(Factor((v, (v + 1)), differ) for v in range(n - 1)),
        )
    )
    result = BeliefPropagation(mode="max").run(factors, PLAN)
    assert result.summary["log_joint"] == pytest.approx(n - 1)
    assert result.summary["improved_variables"] == 0


def test_max_product_on_loops_cannot_be_improved_by_one_variable():
    for name in LOOPY:
        factors = condition(NETWORKS[name])
        result = BeliefPropagation(mode="max").run(factors, PLAN)
        states = result.states[0, 0].astype(int)
        for v, card in enumerate(factors.cards):
            for state in range(card):
                other = states.copy()
                other[v] = state
                assert factors.log_joint(other) <= result.summary["log_joint"] + 1e-12


def test_duplicated_and_covered_tables_make_no_loops():
    factors = condition(AWKWARD["duplicated"])
    graph = message_graph(factors)
    assert graph.factor_count == 2
    assert graph.is_forest
    np.testing.assert_array_equal(graph.hosts, [0, 0, 0, 1])
    merged = graph.factors
    states = np.array(list(itertools.product(*map(range, factors.cards))))
    np.testing.assert_allclose(merged.log_joint(states), factors.log_joint(states), atol=1e-13)


@pytest.mark.parametrize("coupling", [50.0, 800.0, 1e5])
def test_tables_beyond_the_range_of_doubles(coupling):
    """Products underflow many times over; the logarithmic path must take over."""
    rng = np.random.default_rng(3)
    n = 7
    factors = [Factor((v, v + 1), coupling * rng.normal(size=(3, 3))) for v in range(n - 1)]
    target = condition(Network(tuple(range(n)), ((0, 1, 2),) * n, tuple(factors)))
    truth = brute_force(target)
    for mode in ("sum", "max"):
        result = BeliefPropagation(mode=mode).run(target, PLAN)
        if mode == "sum":
            assert worst_error(result, truth) < 1e-10
            assert result.summary["log_evidence"] == pytest.approx(truth.log_z, rel=1e-13)
        else:
            best = np.log(truth.joint.max()) + truth.log_z
            assert result.summary["log_joint"] == pytest.approx(best, rel=1e-12)


def test_rare_states_that_only_one_far_table_saves():
    """A state e^-2000 times less likely from one side is e^2000 times likelier from the other."""
    n, rare = 2000, np.log([1 - 1 / (1 + np.e), 1 / (1 + np.e)])
    factors = [Factor((0, v), np.tile(rare[:, None], (1, 2))) for v in range(1, n + 1)]
    factors.append(Factor((0,), np.array([0.0, float(n)])))
    target = condition(Network(tuple(range(n + 1)), ((0, 1),) * (n + 1), tuple(factors)))
    result = BeliefPropagation().run(target, PLAN)
    np.testing.assert_allclose(result.marginals.of(0), [0.5, 0.5], atol=1e-9)


def test_hub_with_many_neighbours_and_large_tables():
    rng = np.random.default_rng(5)
    cards = [40] + [30] * 50 + [2] * 12
    wide = Factor(tuple(range(51, 63)), rng.normal(size=(2,) * 12))
    spokes = [Factor((0, v), rng.normal(size=(40, 30))) for v in range(1, 51)]
    bridge = Factor((0, 51), rng.normal(size=(40, 2)))
    network = Network(
        tuple(range(63)), tuple(tuple(range(c)) for c in cards), (*spokes, bridge, wide)
    )
    result = BeliefPropagation(tolerance=1e-13).run(condition(network), PLAN)
    over = [np.logaddexp.reduce(f.log_table, axis=1) for f in spokes]
    away = tuple(range(1, 12))
    right = np.logaddexp.reduce(bridge.log_table + np.logaddexp.reduce(wide.log_table, away), 1)
    logs = np.sum(over, axis=0) + right
    assert result.summary["log_evidence"] == pytest.approx(np.logaddexp.reduce(logs), abs=1e-9)
    np.testing.assert_allclose(
        result.marginals.of(0), np.exp(logs - np.logaddexp.reduce(logs)), atol=1e-10
    )


def test_evidence():
    network = AWKWARD["functional"]
    factors = condition(network, {3: 1, 1: 0})
    truth = brute_force(factors)
    result = BeliefPropagation().run(factors, PLAN)
    assert worst_error(result, truth) < 1e-10
    assert result.summary["log_evidence"] == pytest.approx(truth.log_z, abs=1e-10)


def test_everything_observed():
    network = AWKWARD["chain"]
    states = dict.fromkeys(range(4), 0)
    factors = condition(network, states)
    result = BeliefPropagation().run(factors, PLAN)
    assert result.marginals.probabilities.size == 0
    assert result.summary["log_evidence"] == pytest.approx(factors.log_constant)
    assert BeliefPropagation(mode="max").run(factors, PLAN).states.shape == (1, 1, 0)
    log_z, tables = factor_marginals(factors)
    assert log_z == pytest.approx(factors.log_constant)
    assert tables == []


def test_more_than_256_states():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(300, 2))
    network = Network(("a", "b"), (tuple(range(300)), (0, 1)), (Factor((0, 1), table),))
    result = BeliefPropagation(mode="max").run(condition(network), PLAN)
    assert result.states.dtype == np.uint16
    assert tuple(result.states[0, 0]) == np.unravel_index(table.argmax(), table.shape)


@pytest.mark.parametrize("mode", ["sum", "max"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_impossible_evidence_is_an_error(mode, schedule):
    network = bayesian([2, 2, 2], [(), (0,), (0,)], 1, "copy", deterministic=(1, 2))
    with np.errstate(divide="ignore"):
        equal = np.log(np.eye(2))
    network = Network(
        network.names,
        network.states,
        (network.factors[0], Factor((0, 1), equal, 1), Factor((0, 2), equal, 2)),
    )
    method = BeliefPropagation(mode=mode, schedule=schedule)
    with pytest.raises(EvidenceError, match="x1=s0, x2=s1 leaves no possible state of 'x0'"):
        method.run(condition(network, {1: 0, 2: 1}), PLAN)


def test_contradiction_without_evidence_and_dead_table():
    with np.errstate(divide="ignore"):
        equal, differ = np.log(np.eye(2)), np.log(1 - np.eye(2))
    states = ((0, 1),) * 2
    apart = Network(("a", "b"), states, (Factor((0, 1), equal), Factor((1, 0), differ)), "apart")
    with pytest.raises(EvidenceError, match="Every joint state of 'apart' has probability zero"):
        BeliefPropagation().run(condition(apart), PLAN)
    dead = Network(("a", "b"), states, (Factor((1,), np.full(2, -np.inf)),), "dead")
    with pytest.raises(EvidenceError, match="no possible state of 'b'"):
        BeliefPropagation().run(condition(dead), PLAN)


def test_xor_with_evidence():
    result = BeliefPropagation().run(condition(xor(), {2: 1, 0: 0}), PLAN)
    np.testing.assert_allclose(result.marginals.of(0), [0, 1], atol=1e-12)
    assert result.summary["log_evidence"] == pytest.approx(np.log(0.25))


def frustrated():
    """A strongly coupled grid with mixed signs: undamped messages oscillate."""
    return grid(6, 6, 2.0, 0.5, seed=4)


def test_oscillation_raises_the_damping_and_says_so():
    result = BeliefPropagation(schedule="flooding").run(condition(frustrated()), PLAN)
    assert result.summary["damping"] > 0
    assert "damping was raised from 0 to" in result.summary["notes"][0]


def test_several_fixed_points_are_said_and_the_best_is_kept():
    """A strong ferromagnet with a weak field: one fixed point per sign of the magnetisation."""
    factors = condition(grid(6, 6, 1.0, 0.02, seed=None))
    result = BeliefPropagation(starts=8).run(factors, PLAN)
    assert min(result.marginals.of(v)[1] for v in range(36)) > 0.9
    assert "several fixed points" in result.summary["notes"][0]
    alone = BeliefPropagation(starts=1).run(factors, PLAN)
    assert alone.summary["log_evidence"] <= result.summary["log_evidence"] + 1e-6
    again = BeliefPropagation(starts=8).run(factors, PLAN)
    np.testing.assert_array_equal(again.marginals.probabilities, result.marginals.probabilities)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_results_do_not_depend_on_where_memory_lies(schedule):
    factors = condition(grid(6, 6, 1.0, 0.02, seed=None))
    method = BeliefPropagation(schedule=schedule, iterations=200)
    rng, kept, results = np.random.default_rng(0), [], []
    for _ in range(6):
        kept += [np.empty(size) for size in rng.integers(1, 500, 30)]
        results.append(method.run(factors, PLAN).marginals.probabilities)
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])


def test_missing_convergence_is_said():
    result = BeliefPropagation(iterations=2).run(condition(AWKWARD["grid"]), PLAN)
    assert not result.summary["converged"]
    assert result.summary["iterations"] == 2
    assert "did not converge: after 2 sweeps" in result.summary["notes"][0]


def test_without_a_compiler(monkeypatch):
    def no_compiler():
        raise BuildError("No C++ compiler.")

    monkeypatch.setattr(belief_propagation, "open_messages", no_compiler)
    factors = condition(AWKWARD["bayesian"])
    truth = brute_force(factors)
    result = BeliefPropagation(tolerance=1e-13).run(factors, PLAN)
    assert result.summary["engine"] == "numpy"
    assert "numpy" in result.summary["notes"][0]
    assert worst_error(result, truth) < 1e-10
    log_z, _ = factor_marginals(factors, TIGHT)
    assert log_z == pytest.approx(truth.log_z, abs=1e-10)
    with np.errstate(divide="ignore"):
        equal = np.log(np.eye(2))
    network = Network(
        ("a", "b"), ((0, 1),) * 2, (Factor((0, 1), equal), Factor((0, 1), equal[::-1]))
    )
    with pytest.raises(EvidenceError, match="no possible state"):
        BeliefPropagation().run(condition(network), PLAN)


def test_progress_is_reported():
    seen = []
    plan = GraphPlan(1, 0, 0, 0, progress=lambda *told: seen.append(told))
    BeliefPropagation(iterations=30, tolerance=1e-300, starts=1).run(
        condition(AWKWARD["grid"]), plan
    )
    done, total, words = seen[-1]
    assert done == total == 30
    assert "largest change" in words


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "product"}, "use 'sum' or 'max'"),
        ({"schedule": "random"}, "use one of"),
        ({"damping": 1.0}, "at least 0 and less than 1"),
        ({"damping": -0.1}, "at least 0"),
        ({"iterations": 0}, "positive integer"),
        ({"iterations": 2.5}, "positive integer"),
        ({"starts": 0}, "starts=0"),
        ({"tolerance": 0.0}, "not positive"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(OptionError, match=message):
        BeliefPropagation(**options)


def test_large_grid_is_fast():
    import time

    factors = condition(grid(64, 64, 0.3, 0.3))
    started = time.process_time()
    result = BeliefPropagation().run(factors, PLAN)
    assert result.summary["converged"]
    assert time.process_time() - started < 5
