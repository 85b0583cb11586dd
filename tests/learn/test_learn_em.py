"""Expected counts against brute force; EM climbs, agrees with pgmpy, recovers the truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from probgen.errors import DataError, OptionError
from probgen.inference.graphical.elimination.tree import factor_marginals
from probgen.learn.columns import read_table
from probgen.learn.fit import fit_network
from probgen.learn.networks.em import EM
from probgen.learn.networks.expectations import Expectations
from probgen.learn.networks.maximum_likelihood import MaximumLikelihood
from probgen.learn.networks.read_skeleton import read_skeleton
from probgen.targets.factors import condition
from tests.inference.graphical.awkward import AWKWARD, bayesian, brute_force
from tests.learn.samples import brute_oracle, draw_rows, table_of, with_holes

NETWORK = bayesian([2, 3, 2, 4], [(), (0,), (0, 1), (2,)], 14, "four")
COMPLETE = draw_rows(NETWORK, 400, 2)
HOLES = with_holes(COMPLETE, 0.25, 3)


def expected_by_hand(network, table) -> tuple[float, list[np.ndarray]]:
    """The log likelihood and expected counts, row by row over all joint states."""
    joint_counts = np.zeros(tuple(network.cards))
    total = 0.0
    for row in table.codes:
        evidence = {v: int(s) for v, s in enumerate(row) if s >= 0}
        factors = condition(network, evidence)
        if len(evidence) == len(row):
            total += factors.log_constant
            joint_counts[tuple(row)] += 1
            continue
        truth = brute_force(factors)
        total += truth.log_z
        joint_counts[tuple(evidence.get(v, slice(None)) for v in range(len(row)))] += truth.joint
    counts = []
    for factor in network.factors:
        axes = tuple(v for v in range(len(network.names)) if v not in factor.scope)
        order = np.argsort(np.argsort(factor.scope))
        counts.append(np.transpose(joint_counts.sum(axis=axes), order))
    return total, counts


def check_expectations(cls, network, limit: int, oracle=brute_oracle, seed: int = 3) -> None:
    columns = with_holes(draw_rows(network, 60, seed), 0.4, seed)
    states = dict(zip(network.names, network.states, strict=True))
    table = read_table(columns, network.names, states)
    skeleton = read_skeleton(network)
    expectations = cls(skeleton, table, oracle, limit)
    value, counts = expectations.evaluate(skeleton.start or ())
    expected_value, expected = expected_by_hand(skeleton.network(skeleton.start or ()), table)
    assert value == pytest.approx(expected_value, rel=1e-10)
    for learned, true in zip(counts, expected, strict=True):
        np.testing.assert_allclose(learned, true, atol=1e-9)


@pytest.mark.parametrize("limit", [0, 4, 10**6], ids=["oracle", "mixed", "enumerated"])
@pytest.mark.parametrize("name", sorted(set(AWKWARD) - {"cards"}))
def test_expected_counts_are_those_of_brute_force(name, limit):
    check_expectations(Expectations, AWKWARD[name], limit)


@pytest.mark.parametrize("name", ["bayesian", "loop", "functional"])
def test_expected_counts_through_exact_elimination(name):
    check_expectations(Expectations, AWKWARD[name], 0, factor_marginals)


class HardAssignment(Expectations):
    """Fills every hole with its most probable state, and calls that expected."""

    def _enumerate(self, block, log_tables, counts):
        sharper = [20 * table for table in log_tables]
        return super()._enumerate(block, sharper, counts)


class Unweighted(Expectations):
    """Forgets how often equal rows occur."""

    def _cut(self, table):
        super()._cut(table)
        for block in self.blocks:
            block.weights[:] = 1


@pytest.mark.parametrize("broken", [HardAssignment, Unweighted])
def test_wrong_expected_counts_are_caught(broken):
    with pytest.raises(AssertionError):
        check_expectations(broken, NETWORK, 10**6)


def test_the_likelihood_never_falls():
    fit = fit_network(NETWORK, EM(restarts=3, iterations=60), HOLES, oracle=brute_oracle)
    history = fit.tree["history"]["log_likelihood"]
    assert history.dims == ("restart", "iteration")
    for values in history.values:
        values = values[np.isfinite(values)]
        assert len(values) > 5
        assert (np.diff(values) > -1e-9).all()
    assert fit.summary["log_likelihood"] == pytest.approx(np.nanmax(history.values))
    assert fit.summary["converged"]


def test_the_objective_with_a_prior_never_falls():
    fit = fit_network(NETWORK, EM(restarts=2, prior=0.5), HOLES, oracle=brute_oracle)
    values = fit.tree["history"]["objective"].values
    for run in values:
        assert (np.diff(run[np.isfinite(run)]) > -1e-9).all()
    smallest = min(float(np.exp(f.log_table).min()) for f in fit.network.factors)
    assert smallest > 0


def test_the_reported_likelihood_is_that_of_the_learned_network():
    fit = fit_network(NETWORK, EM(restarts=1, iterations=3), HOLES, oracle=brute_oracle)
    table = read_table(HOLES, NETWORK.names, dict(zip(NETWORK.names, NETWORK.states, strict=True)))
    value, _ = expected_by_hand(fit.network, table)
    assert fit.summary["log_likelihood"] == pytest.approx(value, rel=1e-10)
    assert not fit.summary["converged"]
    assert "without converging" in fit.summary["notes"][-1]


def test_a_stationary_point_of_the_likelihood():
    """At the maximum, no small change of a table raises the likelihood."""
    fit = fit_network(NETWORK, EM(restarts=1, tolerance=1e-13, iterations=3000), HOLES,
                      oracle=brute_oracle)  # fmt: skip
    skeleton = read_skeleton(fit.network)
    table = read_table(HOLES, NETWORK.names, skeleton.known_states)
    expectations = Expectations(skeleton, table, brute_oracle)
    rng = np.random.default_rng(0)
    best = expectations.evaluate(skeleton.start or ())[0]
    for _ in range(20):
        moved = [np.exp(t) * np.exp(1e-2 * rng.normal(size=t.shape)) for t in skeleton.start or ()]
        moved = [np.log(t / t.sum(-1, keepdims=True)) for t in moved]
        assert expectations.evaluate(moved)[0] < best + 1e-6


def test_complete_data_are_counted():
    edges = [("x0", "x1"), ("x0", "x2"), ("x1", "x2"), ("x2", "x3")]
    em = fit_network(edges, EM(), COMPLETE, oracle=brute_oracle)
    counted = fit_network(edges, MaximumLikelihood(), COMPLETE)
    for name in ("x0", "x1", "x2", "x3"):
        np.testing.assert_allclose(table_of(em.network, name), table_of(counted.network, name))
    assert em.summary["restarts"] == 1
    assert em.summary["log_likelihood"] == pytest.approx(counted.summary["log_likelihood"])


def test_steps_agree_with_pgmpys():
    """A latent class with three observed children, from the same tables."""
    from pgmpy.factors.discrete import TabularCPD
    from pgmpy.models import DiscreteBayesianNetwork
    from pgmpy.parameter_estimator import DiscreteEM

    start = bayesian([2, 2, 3, 2], [(), (0,), (0,), (0,)], 5, "latent class")
    observed = {k: v for k, v in draw_rows(start, 60, 6).items() if k != "x0"}
    method = EM(latent_states={"x0": start.states[0]}, restarts=1, iterations=3, tolerance=0)
    fit = fit_network(start, method, observed, oracle=brute_oracle)
    model = DiscreteBayesianNetwork([("x0", f"x{k}") for k in (1, 2, 3)], latents={"x0"})
    names = dict(zip(start.names, map(list, start.states), strict=True)) | {"x0": [0, 1]}
    cpds = {}
    for factor in start.factors:
        name, table = start.names[factor.child], np.exp(factor.log_table)
        parents = [] if table.ndim == 1 else ["x0"]
        cpds[name] = TabularCPD(
            name, len(names[name]), table.reshape(-1, len(names[name])).T, parents,
            [2] * len(parents), state_names={n: names[n] for n in (name, *parents)},
        )  # fmt: skip
    estimator = DiscreteEM(
        state_names=names, latent_card={"x0": 2}, max_iter=3, init_cpds=cpds, show_progress=False
    )
    for cpd in estimator.fit(model, pd.DataFrame(observed)).parameters_:
        learned = table_of(fit.network, cpd.variable)
        np.testing.assert_allclose(learned.T, cpd.values, atol=1e-6)


def test_parameters_are_recovered_from_holes():
    columns = with_holes(draw_rows(NETWORK, 20_000, 8), 0.2, 9)
    fit = fit_network(NETWORK, EM(restarts=1), columns, oracle=brute_oracle)
    for factor in NETWORK.factors:
        learned = table_of(fit.network, NETWORK.names[factor.child])
        # A cell is estimated from at least 5 % of the rows here; half of those are complete.
        assert abs(learned - np.exp(factor.log_table)).max() < 5 * 0.5 / np.sqrt(500)


def test_the_same_seed_gives_the_same_fit_and_progress_is_told():
    said = []
    edges = [("h", "x1"), ("h", "x2")]
    data = {name: COMPLETE[name] for name in ("x1", "x2")}
    fits = [
        fit_network(edges, EM(latent_states={"h": ["on", "off"]}, iterations=20), data,
                    oracle=brute_oracle, seed=seed, progress=lambda *a: said.append(a))
        for seed in (1, 1, 2)
    ]  # fmt: skip
    likelihoods = [f.tree["history"]["log_likelihood"].values for f in fits]
    assert np.array_equal(likelihoods[0], likelihoods[1], equal_nan=True)
    assert not np.array_equal(likelihoods[0], likelihoods[2], equal_nan=True)
    assert fits[0].network.states[0] == ("on", "off")
    assert said[0][0] == 0
    assert "log likelihood" in said[0][2]


# Bad input


def test_rows_that_the_declared_zeros_forbid():
    network = AWKWARD["copies"]  # x2 is a function of x1, and x1 of x0
    reached = set(np.exp(network.factors[2].log_table).sum(axis=0).nonzero()[0].tolist())
    never = min(set(range(4)) - reached)
    columns = {"x0": ["s0"], "x1": [None], "x2": [f"s{never}"], "x3": ["s0"]}
    with pytest.raises(DataError, match=f"a row with x0=s0, x2=s{never} has probability zero"):
        fit_network(network, EM(restarts=1), columns, oracle=brute_oracle)
    columns["x1"] = ["s0"]
    with pytest.raises(DataError, match="impossible: a state of 'x"):
        fit_network(network, EM(restarts=1), columns, oracle=brute_oracle)


def test_it_needs_an_oracle():
    with pytest.raises(OptionError, match="EM needs a marginal oracle"):
        fit_network(NETWORK, EM(), HOLES)


def test_nothing_but_holes():
    with pytest.raises(DataError, match="every value is missing"):
        fit_network(NETWORK, EM(), {n: [None] for n in NETWORK.names}, oracle=brute_oracle)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"iterations": 0}, "iterations=0"),
        ({"restarts": 1.5}, "restarts=1.5"),
        ({"tolerance": -1}, "tolerance=-1"),
        ({"prior": -0.1}, "prior=-0.1"),
        ({"engine": "gibbs"}, "engine='gibbs'.*exact"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(OptionError, match=message):
        EM(**options)


def test_states_for_unknown_latents():
    with pytest.raises(DataError, match="'g', which is no variable"):
        fit_network(NETWORK, EM(latent_states={"g": 2}), HOLES, oracle=brute_oracle)
    with pytest.raises(DataError, match="5 states are given for 'x1', which declares 3"):
        fit_network(NETWORK, EM(latent_states={"x1": 5}), HOLES, oracle=brute_oracle)
