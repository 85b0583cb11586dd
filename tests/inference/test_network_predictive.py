"""Prior and posterior predictive draws of networks, against exact probabilities."""

from __future__ import annotations

import numpy as np
import pytest

import probgen as pg
from probgen.declare.network import Factor, Network
from probgen.errors import OptionError
from probgen.inference.network_predictive import ancestral_states
from probgen.inference.predict import predict
from probgen.inference.prior import prior

RAIN = np.array([0.8, 0.2])
SPRINKLER = np.array([[0.6, 0.99], [0.4, 0.01]])  # sprinkler, rain
WET = np.array([[[1.0, 0.2], [0.1, 0.01]], [[0.0, 0.8], [0.9, 0.99]]])  # wet, sprinkler, rain


def grass() -> Network:
    with np.errstate(divide="ignore"):
        tables = [np.log(table) for table in (WET, SPRINKLER, RAIN)]
    return Network(
        ("wet", "sprinkler", "rain"),
        (("no", "yes"),) * 3,
        (
            Factor((0, 1, 2), tables[0], child=0),
            Factor((1, 2), tables[1], child=1),
            Factor((2,), tables[2], child=2),
        ),
        "grass",
    )


def test_ancestral_draws_have_the_joint_distribution():
    count = 40_000
    states = ancestral_states(grass(), {}, count, seed=1)
    joint = WET * SPRINKLER * RAIN
    drawn = np.zeros((2, 2, 2))
    np.add.at(drawn, tuple(states), 1 / count)
    error = 5 * np.sqrt(joint * (1 - joint) / count) + 1e-12
    assert (abs(drawn - joint) < error).all()
    assert (abs(drawn - joint[::-1]) > error).any()  # a swapped table would be noticed
    assert not drawn[joint == 0].any()


def test_prior_of_a_network_is_split_by_its_evidence():
    tree = prior(grass(), {"wet": "yes"}, draws=50, chains=2, seed=3)
    assert list(tree["prior"].data_vars) == ["sprinkler", "rain"]
    assert list(tree["prior_predictive"].data_vars) == ["wet"]
    assert tree["prior"]["rain"].shape == (2, 50)
    assert list(tree["prior"]["rain_state"].values) == ["no", "yes"]
    assert str(tree["observed_data"]["wet"].values) == "yes"
    again = prior(grass(), {"wet": "yes"}, draws=50, chains=2, seed=3)
    assert tree["prior"].equals(again["prior"])


def test_evidence_drawn_anew_follows_its_parents_in_every_draw():
    tree = pg.infer(grass(), pg.Exact(), data={"wet": "yes"}, draws=4000, seed=1, progress=False)
    made = predict(tree, grass(), {"wet": "yes"}, seed=2)
    wet = made["posterior_predictive"]["wet"].values.ravel()
    parents = tuple(tree["posterior"][name].values.ravel() for name in ("sprinkler", "rain"))
    for states in np.ndindex(2, 2):
        rows = (parents[0] == states[0]) & (parents[1] == states[1])
        if not rows.any():
            continue
        expected = WET[(1, *states)]
        error = 5 * np.sqrt(expected * (1 - expected) / rows.sum()) + 1e-12
        assert abs(wet[rows].mean() - expected) < error, states
    without = predict(tree, grass(), seed=2)["posterior_predictive"]["wet"]
    np.testing.assert_array_equal(without.values.ravel(), wet)  # the evidence of the tree
    assert "posterior_predictive" not in tree.children


def test_a_pgmpy_network_from_its_file():
    asia = pg.load_network("asia")
    tree = prior(asia, {"xray": "yes"}, draws=20_000, seed=1)
    smoke = tree["prior"]["smoke"].values
    assert abs(smoke.mean() - 0.5) < 5 * 0.5 / np.sqrt(20_000)


def test_a_markov_network_has_a_prior_but_no_predictive():
    log_table = np.log([[3.0, 1.0], [1.0, 3.0]])
    pair = Network(("a", "b"), (("-", "+"),) * 2, (Factor((0, 1), log_table),), "pair")
    tree = prior(pair, {"b": "+"}, draws=4000, seed=1)
    a, b = tree["prior"]["a"].values, tree["prior_predictive"]["b"].values
    assert abs((a == b).mean() - 0.75) < 5 * np.sqrt(0.75 * 0.25 / 4000)
    posterior = pg.infer(pair, pg.Exact(), data={"b": "+"}, draws=5, progress=False)
    with pytest.raises(OptionError, match="'pair' is a Markov network"):
        predict(posterior, pair, {"b": "+"})


def test_wrong_requests_are_refused_by_name():
    tree = pg.infer(grass(), pg.Exact(), data={"wet": "yes"}, draws=5, progress=False)
    with pytest.raises(OptionError, match="'rain' is no variable of the evidence"):
        predict(tree, grass(), {"wet": "yes"}, sites=["rain"])
    free = pg.infer(grass(), pg.Exact(), draws=5, progress=False)
    with pytest.raises(OptionError, match="here is none"):
        predict(free, grass())


def test_a_linear_gaussian_network_is_drawn_as_a_program():
    from probgen.declare.networks.gaussian_network import GaussianNetwork

    network = GaussianNetwork(("cause", "effect"), ((), (0,)), [1, 0.5], ([], [2]), [0.5, 0.1])
    tree = pg.infer(network, data={"effect": 3.0}, draws=2000, seed=1)
    made = predict(tree, network, {"effect": 3.0}, seed=1)["posterior_predictive"]["effect"]
    residual = made.values - (0.5 + 2 * tree["posterior"]["cause"].values)
    assert abs(residual.std() / 0.1 - 1) < 5 / np.sqrt(2 * residual.size)
    drawn = prior(network, {"effect": 3.0}, draws=4000, seed=1)
    assert abs(drawn["prior"]["cause"].values.mean() - 1) < 5 * 0.5 / np.sqrt(4000)
    assert abs(drawn["prior_predictive"]["effect"].values.mean() - 2.5) < 5 * 1.1 / np.sqrt(4000)
