"""`fit` chooses a learner where none is named, and hands it its marginals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import probgen as pg
from probgen.errors import ModelError, OptionError
from probgen.inference.graphical.oracle import marginal_oracle
from probgen.targets.factors import condition
from tests.inference.graphical.awkward import brute_force, grid


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rain = rng.random(2000) < 0.3
    wet = np.where(rain, rng.random(2000) < 0.9, rng.random(2000) < 0.1)
    return pd.DataFrame({"rain": np.where(rain, "yes", "no"), "wet": np.where(wet, "yes", "no")})


def test_maximum_likelihood_for_complete_data(table):
    learned = pg.fit([("rain", "wet")], data=table, seed=1)
    assert learned.summary["method"] == "MaximumLikelihood"
    share = (table["rain"] == "yes").mean()
    marginal = pg.marginals(pg.infer(learned.network))
    assert marginal.loc[("rain", "yes"), "probability"] == pytest.approx(share, abs=1e-9)


def test_em_for_missing_values(table):
    holes = table.copy()
    holes.loc[::5, "rain"] = None
    learned = pg.fit([("rain", "wet")], data=holes, seed=1, progress=False)
    assert learned.summary["method"] == "EM"
    marginal = pg.marginals(pg.infer(learned.network))
    share = (table["rain"] == "yes").mean()
    assert marginal.loc[("rain", "yes"), "probability"] == pytest.approx(share, abs=0.03)


def test_gradients_for_markov_networks(table):
    from pgmpy.models import DiscreteMarkovNetwork

    learned = pg.fit(DiscreteMarkovNetwork([("rain", "wet")]), data=table, seed=1)
    assert learned.summary["method"] == "GradientMLE"
    both = ((table["rain"] == "yes") & (table["wet"] == "yes")).mean()
    tree = pg.infer(learned.network, data={"rain": "yes"})
    joint = pg.marginals(tree).loc[("wet", "yes"), "probability"]
    assert joint == pytest.approx(both / (table["rain"] == "yes").mean(), abs=1e-4)


def test_hill_climbing_without_a_structure(table):
    learned = pg.fit(None, data=table, seed=1, progress=False)
    assert learned.summary["method"] == "HillClimb"
    assert any(len(factor.scope) == 2 for factor in learned.network.factors)


@pytest.mark.parametrize("engine", ["exact", "belief_propagation", "auto"])
def test_oracles(engine):
    factors = condition(grid(2, 3, 0.3, 0.2))
    truth = brute_force(factors)
    log_z, tables = marginal_oracle(engine)(factors)
    tolerance = 0.02 if engine == "belief_propagation" else 1e-9
    assert log_z == pytest.approx(truth.log_z, abs=tolerance)
    for scope, found in zip(factors.scopes, tables, strict=True):
        others = tuple(v for v in range(len(factors.free)) if v not in scope)
        np.testing.assert_allclose(found, truth.joint.sum(axis=others), atol=tolerance)


def test_unknown_oracle():
    with pytest.raises(OptionError, match="exact, belief_propagation or auto"):
        marginal_oracle("guess")


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (pg.Gibbs(), "Gibbs.*is no method of fit.*infer takes it"),
        (pg.EM, r"class: fit takes a value, EM\(\)"),
        ("em", "'em' is no method of fit"),
    ],
    ids=["sampler", "class", "text"],
)
def test_what_is_no_learner(table, method, words):
    with pytest.raises(OptionError, match=words):
        pg.fit([("a", "b")], method, data=table)


def test_seeds_are_integers(table):
    with pytest.raises(OptionError, match="seed='x': must be an integer"):
        pg.fit([("a", "b")], data=table, seed="x")


def test_continuous_networks_are_not_taken_for_structures(table):
    from pgmpy.models import LinearGaussianBayesianNetwork

    with pytest.raises(ModelError, match="LinearGaussianBayesianNetwork: fit it with pgmpy"):
        pg.fit(LinearGaussianBayesianNetwork([("a", "b")]), data=table)


def test_variables_of_any_name_without_a_structure():
    data = pd.DataFrame({0: [0, 1] * 20, 1: [1, 0] * 20})
    fitted = pg.fit([0, 1], data=data, seed=0)
    assert fitted.network.names == (0, 1)
