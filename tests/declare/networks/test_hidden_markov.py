"""Hidden Markov models: the network engines against forward-backward and Viterbi by hand."""

import time

import numpy as np
import pandas as pd
import pytest

from probgen.declare.networks.hidden_markov import HiddenMarkov, latent_chain
from probgen.declare.networks.transition import TransitionModel
from probgen.errors import DataError, EvidenceError, ModelError
from probgen.inference.graphical.belief_propagation import BeliefPropagation
from probgen.inference.graphical.exact import Exact
from probgen.inference.graphical.maximum import MAP
from probgen.inference.graphical.method import GraphPlan
from probgen.targets.factors import condition

PLAN = GraphPlan(chains=1, draws=2, warmup=0, seed=0)


def forward_backward(initial, step, likelihood):
    """Scaled forward-backward (Rabiner 1989): marginals (T, k) and the log likelihood."""
    T, k = likelihood.shape
    forward, backward, scale = np.empty((T, k)), np.ones((T, k)), np.empty(T)
    for t in range(T):
        ahead = (initial if t == 0 else forward[t - 1] @ step) * likelihood[t]
        scale[t] = ahead.sum()
        forward[t] = ahead / scale[t]
    for t in range(T - 2, -1, -1):
        backward[t] = step @ (likelihood[t + 1] * backward[t + 1]) / scale[t + 1]
    return forward * backward, np.log(scale).sum()


def viterbi(initial, step, likelihood):
    """The most probable path and the logarithm of its joint probability."""
    with np.errstate(divide="ignore"):
        log_step, logs = np.log(step), np.log(likelihood)
        best = np.log(initial) + logs[0]
    back = []
    for t in range(1, len(logs)):
        scores = best[:, None] + log_step
        back.append(scores.argmax(axis=0))
        best = scores.max(axis=0) + logs[t]
    path = [int(best.argmax())]
    for pointer in reversed(back):
        path.append(int(pointer[path[-1]]))
    return np.array(path[::-1]), best.max()


def random_model(k, m, seed, zeros=False):
    rng = np.random.default_rng(seed)
    step, emission = rng.dirichlet(np.ones(k), k), rng.dirichlet(np.ones(m), k)
    if zeros:  # left to right, and a symbol that some states never emit
        step = np.triu(step)
        step /= step.sum(axis=1, keepdims=True)
        emission[0, 0] = 0
        emission /= emission.sum(axis=1, keepdims=True)
    states = tuple(f"state{i}" for i in range(k))
    transition = TransitionModel(step, states, rng.dirichlet(np.ones(k)))
    return HiddenMarkov(transition, emission, tuple("abcdefgh"[:m]))


def simulated(model, length, seed, missing=0.0):
    """Observations from the model itself, some of them missing."""
    rng = np.random.default_rng(seed)
    state, symbols = rng.choice(model.transition.size, p=model.transition.initial), []
    for _ in range(length):
        symbols.append(model.symbols[rng.choice(len(model.symbols), p=model.emission[state])])
        state = rng.choice(model.transition.size, p=model.transition.dense[state])
    hidden = rng.random(length) < missing
    return [None if gone else symbol for gone, symbol in zip(hidden, symbols, strict=True)]


def likelihood_of(model, observations):
    """(T, k) likelihoods, ones for missing observations."""
    columns = {symbol: model.emission[:, j] for j, symbol in enumerate(model.symbols)}
    ones = np.ones(model.transition.size)
    return np.array([columns.get(symbol, ones) for symbol in observations])


def target_of(model, observations):
    network = model.network(observations)
    evidence = model.evidence(observations)
    return condition(
        network,
        {network.position[name]: model.symbols.index(s) for name, s in evidence.items()},
    )


def hidden_marginals(result, length, k):
    """Marginals of z[0..T-1], which come first."""
    return result.marginals.probabilities[: length * k].reshape(length, k)


@pytest.mark.parametrize("method", [Exact(), BeliefPropagation(tolerance=1e-13)])
@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize(("length", "missing"), [(1, 0.0), (60, 0.0), (300, 0.3), (40, 1.0)])
def test_forward_backward(method, zeros, length, missing):
    model = random_model(4, 3, seed=length, zeros=zeros)
    observations = simulated(model, length, 1, missing)
    transition = model.transition
    marginals, log_likelihood = forward_backward(
        transition.initial, transition.dense, likelihood_of(model, observations)
    )
    result = method.run(target_of(model, observations), PLAN)
    np.testing.assert_allclose(hidden_marginals(result, length, 4), marginals, atol=1e-10)
    assert result.summary["log_evidence"] == pytest.approx(log_likelihood, abs=1e-9)


@pytest.mark.parametrize("method", [MAP(), BeliefPropagation(mode="max")])
@pytest.mark.parametrize("zeros", [False, True])
def test_viterbi(method, zeros):
    model = random_model(5, 4, seed=8, zeros=zeros)
    observations = simulated(model, 200, 3)
    transition = model.transition
    path, log_joint = viterbi(
        transition.initial, transition.dense, likelihood_of(model, observations)
    )
    result = method.run(target_of(model, observations), PLAN)
    np.testing.assert_array_equal(result.states[0, 0, :200], path)
    assert result.stats["log_joint"][0, 0] == pytest.approx(log_joint, abs=1e-9)


def test_five_thousand_steps_take_linear_time():
    model = random_model(6, 4, seed=2)
    observations = simulated(model, 5000, 4)
    transition = model.transition
    started = time.process_time()
    target = target_of(model, observations)
    exact = Exact().run(target, PLAN)
    best = MAP().run(target, PLAN)
    assert time.process_time() - started < 8
    likelihood = likelihood_of(model, observations)
    marginals, log_likelihood = forward_backward(transition.initial, transition.dense, likelihood)
    np.testing.assert_allclose(hidden_marginals(exact, 5000, 6), marginals, atol=1e-10)
    assert exact.summary["log_evidence"] == pytest.approx(log_likelihood, rel=1e-11)
    path, log_joint = viterbi(transition.initial, transition.dense, likelihood)
    assert best.stats["log_joint"][0, 0] == pytest.approx(log_joint, rel=1e-11)
    np.testing.assert_array_equal(best.states[0, 0], path)


def test_a_wrong_direction_of_the_transitions_would_be_noticed():
    model = random_model(3, 3, seed=5)
    observations = simulated(model, 30, 6)
    transition = model.transition
    likelihood = likelihood_of(model, observations)
    turned = transition.dense.T / transition.dense.T.sum(axis=1, keepdims=True)
    marginals, _ = forward_backward(transition.initial, turned, likelihood)
    result = Exact().run(target_of(model, observations), PLAN)
    assert np.abs(hidden_marginals(result, 30, 3) - marginals).max() > 0.01


def test_log_likelihood_tables_of_continuous_observations():
    rng = np.random.default_rng(0)
    transition = TransitionModel([[0.95, 0.05], [0.1, 0.9]], ("low", "high"), [0.5, 0.5])
    x = np.repeat([0.0, 3.0, 0.0], 20) + rng.normal(size=60)
    logs = -0.5 * (x[:, None] - np.array([0.0, 3.0])) ** 2
    logs[7] = 0.0  # missing
    marginals, log_likelihood = forward_backward(
        transition.initial, transition.dense, np.exp(logs)
    )
    result = Exact().run(condition(latent_chain(transition, logs)), PLAN)
    np.testing.assert_allclose(hidden_marginals(result, 60, 2), marginals, atol=1e-12)
    assert result.summary["log_evidence"] == pytest.approx(log_likelihood)


def test_network_and_evidence():
    model = random_model(3, 2, seed=0)
    network = model.network(["a", None, "b"])
    assert network.kind == "bayesian"
    assert network.names == (("z", 0), ("z", 1), ("z", 2), ("x", 0), ("x", 1), ("x", 2))
    assert network.labels()[1] == "z[1]"
    assert network.states[0] == ("state0", "state1", "state2")
    assert network.states[3] == ("a", "b")
    assert model.evidence(["a", None, "b", float("nan")]) == {("x", 0): "a", ("x", 2): "b"}
    assert len(model.network(4).names) == 8


def test_impossible_observations():
    transition = TransitionModel(np.eye(2), ("p", "q"), [1.0, 0.0])
    model = HiddenMarkov(transition, np.eye(2), ("a", "b"))
    for method in (Exact(), BeliefPropagation()):
        with pytest.raises(EvidenceError):
            method.run(target_of(model, ["a", "b"]), PLAN)


def test_data_frame_of_emissions():
    frame = pd.DataFrame([[0.2, 0.8], [0.6, 0.4]], index=["q", "p"], columns=["a", "b"])
    model = HiddenMarkov(TransitionModel(np.eye(2), ("p", "q"), [0.5, 0.5]), frame)
    assert model.symbols == ("a", "b")
    np.testing.assert_allclose(model.emission, [[0.6, 0.4], [0.2, 0.8]])


def test_bad_declarations_are_named():
    transition = TransitionModel(np.eye(2), ("p", "q"), [0.5, 0.5])
    with pytest.raises(ModelError, match="no initial law"):
        HiddenMarkov(TransitionModel(np.eye(2)), np.eye(2))
    with pytest.raises(ModelError, match="a row for each of 2 states"):
        HiddenMarkov(transition, np.eye(3))
    with pytest.raises(ModelError, match="emissions of 'q' are no probabilities"):
        HiddenMarkov(transition, [[0.5, 0.5], [0.5, 0.1]])
    with pytest.raises(ModelError, match="3 symbols"):
        HiddenMarkov(transition, np.eye(2), ("a", "b", "c"))
    model = HiddenMarkov(transition, np.eye(2), ("a", "b"))
    with pytest.raises(DataError, match="Observation 1 is 'c'; the symbols are 'a', 'b'"):
        model.evidence(["a", "c"])
    with pytest.raises(DataError, match="at least one observation"):
        model.network([])
    with pytest.raises(DataError, match="shape"):
        latent_chain(transition, np.zeros((4, 3)))
    with pytest.raises(DataError, match="observation 2"):
        latent_chain(transition, np.array([[0.0, 0], [0, 0], [np.nan, 0]]))
