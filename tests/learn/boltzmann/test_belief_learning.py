"""Deep belief networks learned layer by layer, then up and down, then from labels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import probgen as pg
from probgen.errors import ModelError, OptionError
from probgen.inference.log_likelihood import log_likelihood
from probgen.learn.boltzmann.fine_tune import FineTune
from probgen.learn.boltzmann.greedy import GreedyLayers, GreedyLearner, turn_over
from probgen.learn.boltzmann.methods import CD, PCD, ExactGradient
from probgen.learn.boltzmann.up_down import UpDown
from probgen.models.class_rbm import data as labelled_digits
from probgen.models.dbn import DBN, data
from probgen.models.rbm import RBM
from probgen.nets.boltzmann.classifier import RecognitionClassifier

DIGITS = data()["x"][:300]
SIZES = (9, 64)  # the first hidden layer is small enough for exact sums


SAMPLED = PCD(learning_rate=0.1, matmul="float32")
EXACT = ExactGradient(learning_rate=0.1)


def greedy(epochs, shares, machine=SAMPLED, hidden=SIZES, cases=DIGITS, **options):
    method = GreedyLayers(machine, shares=shares)
    return pg.fit(
        DBN(hidden=hidden), method, data=cases, epochs=epochs, seed=1, progress=False, **options
    )


@pytest.fixture(scope="module")
def first_layer():
    """The network after its first layer, with the second one tied to it."""
    network = greedy(80, (1000, 1), EXACT).model
    turn_over(network, 1)
    return network


@pytest.fixture(scope="module")
def both_layers():
    return greedy(280, (80, 200), EXACT).model


@pytest.fixture(scope="module")
def before(first_layer):
    """Of the network after its first layer: likelihood and bound, by sums."""
    return log_likelihood(first_layer, DIGITS)


@pytest.fixture(scope="module")
def after(both_layers):
    return log_likelihood(both_layers, DIGITS)


def test_the_second_layer_raises_the_bound_on_digits(before, after):
    assert before.variational.mean() == pytest.approx(before.mean, abs=1e-6)
    assert after.variational.mean() > before.mean + 0.03
    assert after.mean > after.variational.mean()


def test_the_first_layer_stays_while_the_second_learns(first_layer, both_layers):
    one, both = (network.machines[0].state_dict() for network in (first_layer, both_layers))
    for name in one:
        torch.testing.assert_close(both[name], one[name], atol=0, rtol=0)
    torch.testing.assert_close(both_layers.recognition[0], both["weights.0"], atol=0, rtol=0)


def test_without_the_tied_start_the_bound_falls(first_layer, before):
    """A fresh second layer knows nothing of the first: the network is worse than the machine."""
    broken = DBN(hidden=SIZES)
    broken.machines[0].load_state_dict(first_layer.machines[0].state_dict())
    with torch.no_grad():
        broken.recognition[0].copy_(broken.machines[0].weights[0])
    assert log_likelihood(broken, DIGITS).variational.mean() < before.mean - 0.5


def test_up_down_goes_on_from_there(both_layers, after):
    fit = pg.fit(
        both_layers, UpDown(learning_rate=0.05), data=DIGITS, epochs=30, seed=1, progress=False
    )
    tuned = log_likelihood(fit.model, DIGITS)
    assert tuned.variational.mean() > after.variational.mean() + 0.03
    assert set(fit.tree["history"].data_vars) >= {"wake", "sleep"}
    changed = fit.model.recognition[0] - fit.model.machines[0].weights[0]
    assert changed.abs().max() > 1e-3  # recognition is untied


def test_a_training_that_was_stopped_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    cases, options = DIGITS[:300], {"batch_size": 100}
    whole = greedy(4, (1, 1), cases=cases, **options)
    store, steps = tmp_path / "run", []

    class Stop(Exception):
        pass

    step = GreedyLearner.step

    def broken(self, batch, loop):
        steps.append(loop.clock)
        if len(steps) == 8:  # in the second layer
            raise Stop
        return step(self, batch, loop)

    monkeypatch.setattr(GreedyLearner, "step", broken)
    with pytest.raises(Stop):
        greedy(4, (1, 1), cases=cases, store=store, checkpoint_steps=1, **options)
    monkeypatch.undo()
    resumed = pg.resume(store, DBN(hidden=SIZES), data=cases, progress=False)
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], value, atol=0, rtol=0)


def accuracy(network, epochs=50, labelled=100):
    """On the other digits, after fine-tuning on some that are labelled."""
    digits = labelled_digits()
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    cases = {name: value[order] for name, value in digits.items()}
    few = {name: value[:labelled] for name, value in cases.items()}
    classifier = RecognitionClassifier(network, 10)
    method = FineTune(learning_rate=5e-3)
    fit = pg.fit(
        classifier, method, data=few, epochs=epochs, batch_size=50, seed=1, progress=False
    )
    with torch.no_grad():
        guessed = fit.model.logits(cases["x"][labelled:]).argmax(-1)
    return float((guessed == cases["y"][labelled:, 0]).float().mean())


def random_start(gain):
    """The same network before any learning, with weights as such networks are usually begun."""
    network = DBN(hidden=(100, 64))
    with torch.no_grad():
        for number, weight in enumerate([*network.recognition, network.top.weights[0]]):
            random = torch.Generator().manual_seed(number)
            deviation = gain * len(weight) ** -0.5
            weight.copy_(deviation * torch.randn(weight.shape, generator=random))
    return network


@pytest.mark.slow
def test_fine_tuning_beats_the_same_network_from_a_random_start():
    pretrained = greedy(200, None, hidden=(100, 64), cases=data()["x"]).model
    ours = accuracy(pretrained)
    assert ours > 0.78
    assert ours > max(accuracy(random_start(gain)) for gain in (1, 2, 4)) + 0.01


def test_validation_tells_of_the_layer_that_learns():
    fit = greedy(4, (1, 1), validation=0.2)
    history = fit.tree["history"]
    for layer, other in ((1, 2), (2, 1)):
        name = f"validation_layer{layer}_pseudo_likelihood"
        learnt = history[name].values[2 * layer - 2 : 2 * layer]
        assert np.isfinite(learnt).all()
        assert np.isnan(history[name].values[2 * other - 2 : 2 * other]).all()
        assert "not a likelihood" in history[name].attrs["long_name"]
    with pytest.raises(OptionError, match="no patience"):
        greedy(2, (1, 1), validation=0.2, patience=1)


def test_a_machine_without_a_share_stays_as_it_is():
    whole = greedy(2, (1, 1)).model
    method = GreedyLayers(SAMPLED, shares=(0, 1))
    again = pg.fit(whole, method, data=DIGITS, epochs=1, seed=1, progress=False).model
    for mine, kept in zip(
        again.machines[0].parameters(), whole.machines[0].parameters(), strict=True
    ):
        assert torch.equal(mine, kept)
    assert not torch.equal(again.top.weights[0], whole.top.weights[0])


def test_a_wider_layer_starts_as_the_machine_beneath_too():
    """The likelihood of recognised states is that of the machine beneath, up to a constant."""
    network = DBN(6, (5, 9))
    with torch.no_grad():
        for bias in network.machines[0].biases:
            bias.uniform_(-1, 1)
        network.machines[0].weights[0].uniform_(-1, 1)
        turn_over(network, 1)
    states = torch.rand(20, 5).round()
    below, top = network.machines[0], network.top
    marginal = states @ below.biases[1] + below.log_partition(
        0, below.activation(0, [None, states])
    )
    more = -top.free_energy(states) - marginal
    assert more.std() < 1e-3
    assert more.mean().item() == pytest.approx(3 * math.log(2), abs=0.01)


def test_wrong_models_and_settings_are_refused():
    for method in (GreedyLayers(), UpDown(), FineTune()):
        with pytest.raises(ModelError, match="RBM"):
            pg.fit(RBM(), method, data=DIGITS, progress=False)
    with pytest.raises(OptionError, match="2 machines"):
        greedy(2, (1, 1, 1))
    with pytest.raises(OptionError, match="at least 0"):
        GreedyLayers(shares=(1, -1))
    with pytest.raises(OptionError, match="all its visible units"):
        GreedyLayers(CD(target="y"))
    with pytest.raises(OptionError, match="at least 1"):
        UpDown(k=0)
