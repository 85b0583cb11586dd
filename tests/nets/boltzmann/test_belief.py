"""Deep belief networks: a density that sums to one, passes up and down, the Pyro program."""

from __future__ import annotations

import pytest
import torch
from pyro import poutine

from probgen.errors import ModelError
from probgen.nets.boltzmann.belief import BeliefNetwork
from probgen.nets.boltzmann.block import sweep
from probgen.nets.boltzmann.classifier import RecognitionClassifier
from probgen.nets.boltzmann.units import Units
from probgen.nets.stream import Stream
from tests.inference.boltzmann.likelihood.machines import all_states, randomised

LAYERS = {
    "binary": [Units("x", 4), Units("h1", 3), Units("h2", 4)],
    "classes": [(Units("x", 2), Units("y", 1, "categorical", 3)), Units("h1", 3), Units("h2", 2)],
    "deeper": [Units("x", 3), Units("h1", 3), Units("h2", 2), Units("h3", 3)],
}


def network(name, seed=1):
    return randomised(BeliefNetwork(LAYERS[name]), seed, 1.0).double()


@pytest.mark.parametrize("name", LAYERS)
@torch.no_grad()
def test_joint_probabilities_sum_to_one(name):
    """Given log Z of the top machine, over all states of all layers below the highest."""
    own = network(name)
    top = all_states(own.top, [0, 1])
    log_z = (-own.top.energy(top)).logsumexp(0)
    states = all_states(own, range(len(own.layers) - 1))
    assert float((own.log_joint(states) - log_z).logsumexp(0)) == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("name", LAYERS)
@torch.no_grad()
def test_recognition_sums_to_one(name):
    own = network(name)
    for layer in range(1, len(own.layers) - 1):
        states = all_states(own, [layer])[0]
        below = all_states(own, [layer - 1])[0][-1].expand(len(states), -1)
        assert float(own.log_up(layer, states, below).logsumexp(0)) == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("name", LAYERS)
@torch.no_grad()
def test_the_program_has_the_joint_density(name):
    own = network(name)
    states = all_states(own, range(len(own.layers)))
    chosen = torch.randint(len(states[0]), (5,), generator=torch.Generator().manual_seed(2))
    states = [state[chosen] for state in states]
    values = {}
    for layer, state in enumerate(states):
        values.update(own.decode(layer, state))
    trace = poutine.trace(own).get_trace(**values)
    expected = -own.top.energy(states[-2:])
    for layer in range(len(states) - 2):
        expected = expected + own.log_down(layer, states[layer], states[layer + 1])
    assert float(trace.log_prob_sum()) == pytest.approx(float(expected.sum()), abs=1e-9)


@torch.no_grad()
def test_gaussian_visible_units():
    own = randomised(
        BeliefNetwork([Units("x", 2, "gaussian"), Units("h", 3), Units("g", 2)]), 1, 1
    )
    above = torch.tensor([[1.0, 0.0, 1.0]])
    law = torch.distributions.Normal(own.down(0, above), own.directed[0].log_variance.exp().sqrt())
    state = torch.tensor([[0.3, -1.0]])
    torch.testing.assert_close(own.log_down(0, state, above), law.log_prob(state).sum(-1))
    drawn = own.descend(above.expand(20_000, -1), Stream(1))[0]
    error = law.stddev / len(drawn) ** 0.5
    assert (((drawn.mean(0) - law.mean[0]) / error).abs() < 5).all()
    torch.testing.assert_close(drawn.std(0), law.stddev[0], atol=0, rtol=0.03)


@torch.no_grad()
def ancestral_marginals(own, rows=4000):
    """Means of the visible units over draws: Gibbs at the top, one pass down."""
    stream = Stream(3)
    states = [torch.zeros(rows, width, dtype=own.dtype) for width in own.top.widths]
    for _ in range(60):
        states = sweep(own.top, states, stream)
    return own.descend(states[0], stream)[0]


@pytest.mark.parametrize("name", LAYERS)
@torch.no_grad()
def test_the_pass_down_draws_from_the_network(name):
    own = network(name)
    states = all_states(own, range(len(own.layers) - 1))
    weights = own.log_joint(states).softmax(0)
    exact = weights @ states[0]
    drawn = ancestral_marginals(own)
    error = (exact * (1 - exact) / len(drawn)).sqrt()
    assert (((drawn.mean(0) - exact) / error).abs() < 5).all()
    # Recognition in the place of the directed layer would be noticed.
    own.directed[0].weights[0].neg_()
    assert (((ancestral_marginals(own).mean(0) - exact) / error).abs() > 5).any()


def test_few_layers_are_refused():
    with pytest.raises(ModelError, match="three or more layers"):
        BeliefNetwork([Units("x", 3), Units("h", 2)])
    with pytest.raises(ModelError, match="hidden layer"):
        BeliefNetwork([Units("x", 3), Units("h", 2, "gaussian"), Units("g", 2)])


@torch.no_grad()
def test_the_classifier_begins_as_recognition():
    own = network("binary")
    classifier = RecognitionClassifier(own, 3).double()
    x = all_states(own, [0])[0]
    mean = torch.sigmoid(own.up(2, torch.sigmoid(own.up(1, x))))
    features = classifier.layers[1](torch.sigmoid(classifier.layers[0](x))).sigmoid()
    torch.testing.assert_close(features, mean)
    torch.testing.assert_close(classifier.logits(x), torch.zeros(len(x), 3).double())
    assert poutine.trace(classifier).get_trace(x).nodes["y"]["value"].shape == (len(x), 1)
