"""Maximum likelihood and Bayesian estimates of Bayesian networks against pgmpy and formulas."""

from __future__ import annotations

import arviz_stats as azs
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy.special import gammaln

from probgen.declare.network import Network
from probgen.errors import DataError, ModelError, OptionError, TooLargeError
from probgen.learn.fit import fit_network
from probgen.learn.networks.bayesian_estimate import BayesianEstimate
from probgen.learn.networks.dirichlet import log_marginal_likelihood, pseudo_counts
from probgen.learn.networks.gradient_mle import GradientMLE
from probgen.learn.networks.maximum_likelihood import MaximumLikelihood
from tests.inference.graphical.awkward import bayesian, grid
from tests.learn.samples import brute_oracle, draw_rows, table_of

NETWORK = bayesian([2, 3, 2, 4], [(), (0,), (0, 1), (2,)], 14, "four")
EDGES = [("x0", "x1"), ("x0", "x2"), ("x1", "x2"), ("x2", "x3")]
DATA = pd.DataFrame(draw_rows(NETWORK, 500, 1))


def pgmpy_tables(estimator) -> dict:
    from pgmpy.models import DiscreteBayesianNetwork

    model = DiscreteBayesianNetwork(EDGES)
    model.fit(DATA, estimator=estimator)
    tables = {}
    for cpd in model.get_cpds():
        order = ["x0", "x1", "x2", "x3"]
        scope = sorted(cpd.variables[1:], key=order.index)
        axes = [cpd.variables.index(v) for v in (*scope, cpd.variable)]
        tables[cpd.variable] = np.transpose(cpd.values, axes)
    return tables


def test_maximum_likelihood_is_pgmpys():
    from pgmpy.parameter_estimator import DiscreteMLE

    fit = fit_network(EDGES, MaximumLikelihood(), DATA)
    for name, table in pgmpy_tables(DiscreteMLE()).items():
        np.testing.assert_allclose(table_of(fit.network, name), table, atol=1e-12)


@pytest.mark.parametrize("prior", ["BDeu", "K2"])
def test_posterior_means_are_pgmpys(prior):
    from pgmpy.parameter_estimator import DiscreteBayesianEstimator

    fit = fit_network(EDGES, BayesianEstimate(prior, equivalent_sample_size=7), DATA)
    estimator = DiscreteBayesianEstimator(prior_type=prior, equivalent_sample_size=7)
    for name, table in pgmpy_tables(estimator).items():
        np.testing.assert_allclose(table_of(fit.network, name), table, atol=1e-12)


def test_log_likelihood_is_that_of_the_rows():
    fit = fit_network(EDGES, MaximumLikelihood(), DATA)
    logs = 0.0
    for row in DATA.itertuples(index=False):
        codes = [s.index(v) for s, v in zip(fit.network.states, row, strict=True)]
        logs += sum(f.log_table[tuple(codes[v] for v in f.scope)] for f in fit.network.factors)
    assert fit.summary["log_likelihood"] == pytest.approx(logs, rel=1e-12)
    assert fit.summary["parameters"] == 1 + 4 + 6 + 6


def test_unseen_parents_give_a_uniform_row_and_a_note():
    data = {"a": ["no", "no"], "b": ["x", "y"]}
    skeleton = Network(
        ("a", "b"),
        (("no", "yes"), ("x", "y", "z")),
        bayesian([2, 3], [(), (0,)], 0, "").factors,
    )
    fit = fit_network(skeleton, MaximumLikelihood(), data)
    np.testing.assert_allclose(table_of(fit.network, "b"), [[0.5, 0.5, 0], [1 / 3] * 3])
    assert "'b' (1)" in fit.summary["notes"][0]


def test_posterior_draws_have_dirichlet_moments_and_named_states():
    fit = fit_network(EDGES, BayesianEstimate(chains=4, draws=1000), DATA, seed=3)
    draws = fit.tree["posterior"]["x2"]
    assert draws.dims == ("chain", "draw", "x0_state", "x1_state", "x2_state")
    assert list(draws.coords["x1_state"].values) == ["s0", "s1", "s2"]
    assert float(abs(draws.sum("x2_state") - 1).max()) < 1e-12
    counts = DATA.groupby(["x0", "x1", "x2"]).size().to_numpy().reshape(2, 3, 2)
    posterior = counts + 10 / 12
    total = posterior.sum(-1, keepdims=True)
    mean = posterior / total
    variance = mean * (1 - mean) / (total + 1)
    np.testing.assert_allclose(table_of(fit.network, "x2"), mean, atol=1e-12)
    error = np.sqrt(variance / 4000)
    assert (abs(draws.mean(("chain", "draw")).values - mean) < 5 * error).all()
    ratio = draws.var(("chain", "draw")).values / variance
    assert (abs(ratio - 1) < 5 * np.sqrt(2 / 4000) * 1.5).all()
    assert float(azs.rhat(fit.tree["posterior"].to_dataset())["x2"].max()) < 1.02


def test_draws_of_tiny_dirichlet_parameters_are_probabilities():
    method = BayesianEstimate(equivalent_sample_size=1e-4, draws=500)
    fit = fit_network([("a", "b")], method, {"a": [0, 1], "b": [0, 1]})
    draws = fit.tree["posterior"]["b"].values
    assert np.isfinite(draws).all()
    np.testing.assert_allclose(draws.sum(-1), 1)


def test_pseudo_counts_of_a_child_replace_the_prior():
    method = BayesianEstimate(pseudo_counts={"b": [[5, 1], [1, 5]]}, draws=0)
    fit = fit_network([("a", "b")], method, {"a": [0, 1], "b": [0, 1]})
    np.testing.assert_allclose(table_of(fit.network, "b"), [[6 / 7, 1 / 7], [1 / 7, 6 / 7]])
    assert "posterior" not in fit.tree.children


def test_marginal_likelihood_is_the_product_of_predictions():
    """The chain rule: each row predicted by the posterior mean of the rows before it."""
    prior = pseudo_counts("BDeu", 3.0, (2, 3))
    rng = np.random.default_rng(5)
    counts, logs = np.zeros((2, 3)), 0.0
    for parent, child in zip(rng.integers(0, 2, 40), rng.integers(0, 3, 40), strict=True):
        posterior = counts[parent] + prior[parent]
        logs += np.log(posterior[child] / posterior.sum())
        counts[parent, child] += 1
    assert log_marginal_likelihood(counts, prior) == pytest.approx(logs, rel=1e-12)


def test_k2_is_the_factorial_formula():
    counts = np.array([[2.0, 3.0], [0.0, 1.0]])
    logs = sum(gammaln(2) - gammaln(row.sum() + 2) + gammaln(row + 1).sum() for row in counts)
    prior = pseudo_counts("K2", 1.0, counts.shape)
    assert log_marginal_likelihood(counts, prior) == pytest.approx(logs)


@pytest.mark.parametrize("draws", [0, 10])
def test_the_fit_is_reproducible_and_printable(draws):
    method = BayesianEstimate(draws=draws)
    first, second = (fit_network(EDGES, method, DATA, seed=-5) for _ in range(2))
    assert repr(first).startswith("Fit(BayesianEstimate: Network(")
    assert first.tree.attrs["method"] == "BayesianEstimate"
    if draws:
        xs = [f.tree["posterior"]["x1"].values for f in (first, second)]
        assert (xs[0] == xs[1]).all()


# Structures


def structures() -> dict:
    from pgmpy.base import DAG
    from pgmpy.models import DiscreteBayesianNetwork

    return {
        "edges": EDGES,
        "networkx": nx.DiGraph(EDGES),
        "pgmpy": DiscreteBayesianNetwork(EDGES),
        "dag": DAG(EDGES),
        "network": NETWORK,
    }


@pytest.mark.parametrize("kind", ["edges", "networkx", "pgmpy", "dag", "network"])
def test_structures_of_every_kind(kind):
    fit = fit_network(structures()[kind], MaximumLikelihood(), DATA)
    reference = fit_network(EDGES, MaximumLikelihood(), DATA)
    for name in ("x0", "x1", "x2", "x3"):
        learned = table_of(fit.network, name)
        np.testing.assert_allclose(learned, table_of(reference.network, name))


def test_a_pgmpy_model_with_cpds_brings_its_states():
    from pgmpy.factors.discrete import TabularCPD
    from pgmpy.models import DiscreteBayesianNetwork

    model = DiscreteBayesianNetwork([("a", "b")])
    states = {"a": ["no", "yes"], "b": ["lo", "hi"]}
    model.add_cpds(
        TabularCPD("a", 2, [[0.5], [0.5]], state_names=states),
        TabularCPD("b", 2, [[0.9, 0.2], [0.1, 0.8]], ["a"], [2], state_names=states),
    )
    fit = fit_network(model, MaximumLikelihood(), {"a": ["no"], "b": ["hi"]})
    assert fit.network.states == (("no", "yes"), ("lo", "hi"))
    np.testing.assert_allclose(table_of(fit.network, "b"), [[0, 1], [0.5, 0.5]])


def test_integer_tuple_and_falsy_names():
    data = {0: ["u", "v"], ("t", 1): [0, 1], "": [1, 1]}
    fit = fit_network([(0, ("t", 1)), ("", 0)], MaximumLikelihood(), data)
    np.testing.assert_allclose(table_of(fit.network, ("t", 1)), np.eye(2))


# Bad input


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        ([("x0", "x1"), ("x1", "x0")], ModelError, "no directed cycle; this one has 'x"),
        ([("x0", "x0")], ModelError, "from a variable to itself"),
        ([("x0", "x1", "x2")], ModelError, "is no edge"),
        ([], ModelError, "list of edges is empty"),
        (7, ModelError, "int is no structure"),
        ([("x0", "X1")], DataError, "no column for the variable 'X1'.*Did you mean 'x1'"),
        (grid(2, 2, 1, 1), OptionError, "MaximumLikelihood does not learn a Markov network"),
    ],
)
def test_structures_that_cannot_be(model, error, message):
    with pytest.raises(error, match=message):
        fit_network(model, MaximumLikelihood(), DATA)


def test_a_bayesian_network_is_not_for_gradients():
    with pytest.raises(OptionError, match="GradientMLE does not learn a Bayesian network"):
        fit_network(EDGES, GradientMLE(), DATA, oracle=brute_oracle)


def test_holes_are_refused_with_the_cure():
    holes = DATA.copy()
    holes.loc[3, "x1"] = None
    for method in (MaximumLikelihood(), BayesianEstimate()):
        with pytest.raises(DataError, match=r"missing in 'x1' \(1\).*EM"):
            fit_network(EDGES, method, holes)


def test_too_many_parents_name_the_variable():
    names = [f"p{k}" for k in range(30)]
    data = {name: [0, 1] for name in [*names, "child"]}
    with pytest.raises(TooLargeError, match=r"table of 'child'.*fewer parents"):
        fit_network([(name, "child") for name in names], MaximumLikelihood(), data)


def test_too_many_draws_are_refused():
    with pytest.raises(TooLargeError, match="fewer draws"):
        fit_network(EDGES, BayesianEstimate(draws=10**8), DATA)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prior": "flat"}, "prior='flat'.*BDeu"),
        ({"equivalent_sample_size": 0}, "equivalent_sample_size"),
        ({"draws": -1}, "draws=-1"),
        ({"chains": 0}, "chains=0"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(OptionError, match=message):
        BayesianEstimate(**options)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"y": 1}, "names 'y', which is no variable"),
        ({"x0": [1, 2, 3]}, r"shape \(3,\); its table has \(2,\)"),
        ({"x0": 0}, "must be positive"),
    ],
)
def test_pseudo_counts_that_do_not_fit(counts, message):
    with pytest.raises(OptionError, match=message):
        fit_network(EDGES, BayesianEstimate(pseudo_counts=counts), DATA)


def test_a_value_that_does_not_learn_is_refused():
    with pytest.raises(OptionError, match="does not learn networks"):
        fit_network(EDGES, "MLE", DATA)  # type: ignore[arg-type]
