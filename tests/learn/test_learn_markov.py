"""Likelihood and pseudo-likelihood of Markov networks: gradients, moments, recovery, zeros."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest

from probgen.declare.network import Factor, Network
from probgen.errors import DataError, OptionError
from probgen.inference.graphical.elimination.tree import factor_marginals
from probgen.learn.columns import read_table
from probgen.learn.fit import Problem, fit_network
from probgen.learn.networks.gauge import zero_sum
from probgen.learn.networks.gradient_mle import GradientMLE, _Likelihood
from probgen.learn.networks.log_linear import Parameters
from probgen.learn.networks.maximum_likelihood import MaximumLikelihood
from probgen.learn.networks.pseudo_likelihood import PseudoLikelihood, _Objective
from probgen.learn.networks.read_skeleton import read_skeleton
from probgen.targets.factors import condition
from tests.inference.graphical.awkward import POSITIVE, brute_force, grid
from tests.learn.samples import brute_oracle, draw_rows, with_holes

MARKOV = [name for name, network in POSITIVE.items() if network.kind == "markov"]
METHODS = [GradientMLE(), PseudoLikelihood()]


def states_of(network: Network) -> dict:
    return dict(zip(network.names, network.states, strict=True))


def problem_of(network: Network, columns: dict, oracle=brute_oracle) -> Problem:
    table = read_table(columns, network.names, states_of(network))
    return Problem(table, read_skeleton(network), oracle, 0)


def moments(network: Network, columns: dict) -> list[tuple[np.ndarray, np.ndarray]]:
    """Marginals of the data and of the network, over each scope."""
    table = read_table(columns, network.names, states_of(network))
    _, model = brute_oracle(condition(network))
    return [
        (table.counts(factor.scope) / table.size, marginal)
        for factor, marginal in zip(network.factors, model, strict=True)
    ]


def check_gradient(function, dimension: int, seed: int) -> None:
    """Central differences along random directions."""
    rng = np.random.default_rng(seed)
    point = rng.normal(0, 0.5, dimension)
    gradient = function(point)[1]
    for _ in range(5):
        direction = rng.normal(size=dimension)
        step = 1e-5
        slope = function(point + step * direction)[0] - function(point - step * direction)[0]
        assert slope / (2 * step) == pytest.approx(gradient @ direction, rel=1e-6, abs=1e-8)


# Gradients and values


@pytest.mark.parametrize("holes", [0.0, 0.3], ids=["complete", "holes"])
@pytest.mark.parametrize("name", ["chain", "loop", "duplicated", "one_state", "isolated"])
def test_gradient_of_the_likelihood(name, holes):
    network = POSITIVE[name]
    columns = with_holes(draw_rows(network, 40, 1), holes, 2)
    likelihood = _Likelihood(problem_of(network, columns), l2=0.7)
    check_gradient(likelihood, len(likelihood.start), 3)


@pytest.mark.parametrize("name", ["chain", "loop", "duplicated", "one_state", "high_order"])
def test_gradient_of_the_pseudo_likelihood(name):
    network = POSITIVE[name]
    problem = problem_of(network, draw_rows(network, 40, 1))
    masks = [np.ones(f.log_table.shape, dtype=bool) for f in network.factors]
    parameters = Parameters(masks)
    objective = _Objective(problem.skeleton, problem.table.distinct(), parameters, 0.7)
    check_gradient(objective, sum(m.size for m in masks), 3)


def test_the_likelihood_is_that_of_brute_force():
    network = POSITIVE["loop"]
    columns = with_holes(draw_rows(network, 30, 4), 0.3, 5)
    likelihood = _Likelihood(problem_of(network, columns), l2=0.0)
    value, _ = likelihood(likelihood.start)
    joint = brute_force(condition(network)).joint
    table = read_table(columns, network.names, states_of(network))
    logs = [
        np.log(joint[tuple(s if s >= 0 else slice(None) for s in row)].sum())
        for row in table.codes
    ]
    assert value * 30 == pytest.approx(sum(logs), rel=1e-10)


def test_the_pseudo_likelihood_is_that_of_brute_force():
    network = POSITIVE["loop"]
    columns = draw_rows(network, 30, 4)
    problem = problem_of(network, columns)
    parameters = Parameters([np.ones(f.log_table.shape, bool) for f in network.factors])
    objective = _Objective(problem.skeleton, problem.table.distinct(), parameters, 0.0)
    value, _ = objective(parameters.pack([f.log_table for f in network.factors]))
    joint = brute_force(condition(network)).joint
    logs = 0.0
    for row in problem.table.codes:
        for v in range(len(row)):
            line = joint[tuple(slice(None) if u == v else row[u] for u in range(len(row)))]
            logs += np.log(line[row[v]] / line.sum())
    assert value * 30 == pytest.approx(logs, rel=1e-10)


# Optima


@pytest.mark.parametrize("oracle", [brute_oracle, factor_marginals], ids=["brute", "exact"])
@pytest.mark.parametrize("name", MARKOV)
def test_moments_match_at_the_maximum(name, oracle):
    network = POSITIVE[name]
    columns = draw_rows(network, 300, 6)
    fit = fit_network(network, GradientMLE(), columns, oracle=oracle)
    assert fit.summary["converged"]
    for data, model in moments(fit.network, columns):
        np.testing.assert_allclose(model, data, atol=1e-6)


def test_moments_with_a_penalty():
    network = POSITIVE["loop"]
    columns = draw_rows(network, 300, 6)
    fit = fit_network(network, GradientMLE(l2=2.0), columns, oracle=brute_oracle)
    pairs = zip(moments(fit.network, columns), fit.network.factors, strict=True)
    for (data, model), factor in pairs:
        np.testing.assert_allclose(300 * (data - model), 2.0 * factor.log_table, atol=1e-4)


def test_a_decomposable_network_has_the_likelihood_of_its_directed_twin():
    network = POSITIVE["chain"]
    columns = draw_rows(network, 300, 7)
    markov = fit_network(network, GradientMLE(), columns, oracle=brute_oracle)
    edges = [("x0", "x1"), ("x1", "x2"), ("x2", "x3")]
    directed = fit_network(edges, MaximumLikelihood(), columns)
    expected = directed.summary["log_likelihood"]
    assert markov.summary["log_likelihood"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_parameters_of_a_grid_are_recovered(method):
    truth = grid(3, 3, 0.5, 0.3, seed=4)
    rows = 20_000
    fit = fit_network(truth, method, draw_rows(truth, rows, 8), oracle=factor_marginals)
    errors = standard_errors(truth, rows)
    # Pseudo-likelihood is less efficient; here by less than a factor of 1.5 in its errors.
    widest = 5 if method.name == "GradientMLE" else 7.5
    for learned, true, error in zip(fit.network.factors, truth.factors, errors, strict=True):
        assert abs(learned.log_table.ravel()[0] - true.log_table.ravel()[0]) < widest * error


def standard_errors(network: Network, rows: int) -> list[float]:
    """Of the coupling or field of each factor: the inverse Fisher information by brute force."""
    joint = brute_force(condition(network)).joint
    states = np.array(list(itertools.product((-1.0, 1.0), repeat=joint.ndim)))
    signs = np.array([np.prod(states[:, f.scope], axis=1) for f in network.factors])
    weights = joint.ravel()
    centred = signs - (signs @ weights)[:, None]
    information = (centred * weights) @ centred.T
    return np.sqrt(np.diag(np.linalg.inv(information)) / rows).tolist()


def test_the_pseudo_likelihood_of_a_saturated_pair_is_the_maximum_likelihood():
    network = POSITIVE["isolated"]
    columns = draw_rows(network, 200, 9)
    fit = fit_network(network, PseudoLikelihood(), columns)
    for data, model in moments(fit.network, columns):
        np.testing.assert_allclose(model, data, atol=1e-6)


def test_a_large_grid_is_learned_by_pseudo_likelihood():
    """16 x 16 spins, far too wide for exact likelihoods; the data are independent spins."""
    rng = np.random.default_rng(3)
    graph = nx.grid_2d_graph(16, 16)
    data = {name: rng.choice([-1, 1], 200, p=[0.3, 0.7]) for name in graph.nodes}
    fit = fit_network(graph, PseudoLikelihood(l2=1.0, tolerance=1e-5), data)
    assert fit.summary["converged"]
    pairs = [f.log_table for f in fit.network.factors if len(f.scope) == 2]
    couplings = [(t[0, 0] + t[1, 1] - t[0, 1] - t[1, 0]) / 4 for t in pairs]
    assert abs(np.mean(couplings)) < 0.02


def test_holes_are_learned_from():
    network = POSITIVE["loop"]
    columns = with_holes(draw_rows(network, 20_000, 10), 0.2, 11)
    fit = fit_network(network, GradientMLE(), columns, oracle=brute_oracle)
    assert fit.summary["converged"]
    learned, true = (brute_force(condition(n)).joint for n in (fit.network, network))
    assert abs(learned - true).max() < 5 * np.sqrt(0.25 / (20_000 * 0.8**4))


def test_a_graph_without_factors_gets_nodes_and_edges():
    graph = nx.Graph([("a", "b"), ("b", "c")])
    data = {"a": [0, 1, 1, 0], "b": [0, 1, 0, 1], "c": ["x", "y", "x", "y"]}
    fit = fit_network(graph, GradientMLE(l2=1.0), data, oracle=brute_oracle)
    assert sorted(len(f.scope) for f in fit.network.factors) == [1, 1, 1, 2, 2]
    assert fit.network.kind == "markov"


# Zeros and gauges


def test_cells_that_never_occur_get_probability_zero():
    graph = nx.Graph([("a", "b")])
    data = {"a": [0, 0, 1], "b": [0, 1, 1]}
    for method in METHODS:
        fit = fit_network(graph, method, data, oracle=brute_oracle)
        joint = brute_force(condition(fit.network)).joint
        expected = np.array([[1, 1], [0, 1]]) / 3
        if method.name == "GradientMLE":
            np.testing.assert_allclose(joint, expected, atol=1e-6)
        assert joint[1, 0] == 0
        assert "1 cells of the tables never occur" in fit.summary["notes"][0]
        penalised = type(method)(l2=1.0)
        fit = fit_network(graph, penalised, data, oracle=brute_oracle)
        assert brute_force(condition(fit.network)).joint[1, 0] > 0.01


def test_declared_zeros_stay_zero():
    with np.errstate(divide="ignore"):
        table = np.log([[1.0, 1.0], [0.0, 1.0]])
    network = Network(("a", "b"), ((0, 1), (0, 1)), (Factor((0, 1), table),))
    fit = fit_network(network, GradientMLE(l2=1.0), {"a": [0, 1], "b": [0, 1]},
                      oracle=brute_oracle)  # fmt: skip
    assert fit.network.factors[0].log_table[1, 0] == -np.inf
    for method in METHODS:
        with pytest.raises(DataError, match=r"impossible.*'a', 'b'"):
            fit_network(network, method, {"a": [1], "b": [0]}, oracle=brute_oracle)


@pytest.mark.parametrize("name", ["loop", "high_order", "duplicated", "complete"])
def test_the_zero_sum_gauge_declares_the_same_distribution(name):
    network = POSITIVE[name]
    scopes = [f.scope for f in network.factors]
    tables = zero_sum(scopes, [f.log_table for f in network.factors])
    gauged = Network(network.names, network.states,
                     tuple(map(Factor, scopes, tables)))  # fmt: skip
    joint = [brute_force(condition(n)).joint for n in (network, gauged)]
    np.testing.assert_allclose(joint[0], joint[1], atol=1e-12)
    np.testing.assert_allclose(sum(t.sum() for t in tables), 0, atol=1e-10)


def test_the_gauge_moves_main_effects_to_unary_tables():
    rng = np.random.default_rng(1)
    a, b, pair = rng.normal(size=2), rng.normal(size=3), rng.normal(size=(2, 3))
    tables = zero_sum([(0,), (1,), (1, 0)], [a, b, pair.T])
    np.testing.assert_allclose(tables[2].sum(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(tables[2].sum(axis=1), 0, atol=1e-12)
    total = tables[0][:, None] + tables[1] + tables[2].T
    difference = total - (a[:, None] + b + pair)
    np.testing.assert_allclose(difference, difference[0, 0], atol=1e-12)


def test_the_start_does_not_matter_for_complete_data():
    network = POSITIVE["loop"]
    columns = draw_rows(network, 300, 12)
    flat = Network(network.names, network.states,
                   tuple(Factor(f.scope, 0 * f.log_table) for f in network.factors))  # fmt: skip
    fits = [fit_network(n, GradientMLE(), columns, oracle=brute_oracle) for n in (network, flat)]
    joints = [brute_force(condition(f.network)).joint for f in fits]
    np.testing.assert_allclose(joints[0], joints[1], atol=1e-5)


def test_history_and_progress():
    network = POSITIVE["loop"]
    said = []
    fit = fit_network(network, GradientMLE(), draw_rows(network, 100, 1), oracle=brute_oracle,
                      progress=lambda *a: said.append(a))  # fmt: skip
    objective = fit.tree["history"]["objective"].values
    assert (np.diff(objective) > -1e-12).all()
    assert len(said) == len(objective) == fit.summary["iterations"]
    assert fit.summary["log_likelihood"] == pytest.approx(objective[-1] * 100, abs=1e-6)


# Mutations and bad input


class WrongSign(_Likelihood):
    """Adds the penalty's gradient instead of taking it off."""

    def __call__(self, vector):
        value, gradient = super().__call__(vector)
        return value, gradient + 2 * self.l2 / self.rows * vector


def uncalibrated(factors):
    """An oracle whose marginals are those of the factor alone."""
    log_z, _ = brute_oracle(factors)
    return log_z, [np.exp(t) / np.exp(t).sum() for t in factors.log_tables]


def test_wrong_gradients_are_caught():
    network = POSITIVE["loop"]
    columns = draw_rows(network, 40, 1)
    for broken in (
        WrongSign(problem_of(network, columns), 0.7),
        _Likelihood(problem_of(network, columns, uncalibrated), 0.0),
    ):
        with pytest.raises(AssertionError):
            check_gradient(broken, len(broken.start), 3)


def test_too_few_iterations_are_told():
    network = POSITIVE["loop"]
    fit = fit_network(network, GradientMLE(iterations=2), draw_rows(network, 100, 1),
                      oracle=brute_oracle)  # fmt: skip
    assert not fit.summary["converged"]
    assert "moment" in fit.summary["notes"][-1]
    assert "NOT converged" in repr(fit)


def test_pseudo_likelihood_needs_complete_data():
    network = POSITIVE["loop"]
    with pytest.raises(DataError, match=r"PseudoLikelihood needs complete data.*GradientMLE\(\)"):
        fit_network(network, PseudoLikelihood(), with_holes(draw_rows(network, 20, 1), 0.5, 1))


@pytest.mark.parametrize("method", [GradientMLE, PseudoLikelihood])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"l2": -1}, "l2=-1"),
        ({"iterations": 0}, "iterations=0"),
        ({"tolerance": 0}, "tolerance=0"),
    ],
)
def test_options_out_of_range(method, options, message):
    with pytest.raises(OptionError, match=message):
        method(**options)
    with pytest.raises(OptionError, match="engine='x'"):
        GradientMLE(engine="x")
