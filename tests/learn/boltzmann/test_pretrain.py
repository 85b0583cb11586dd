"""Pretraining with doubled layers: what the parts mean together, and that it is a good start."""

import pytest
import torch

import probgen as pg
from probgen.errors import ModelError, OptionError
from probgen.inference.log_likelihood import log_likelihood
from probgen.learn.boltzmann import pretrain
from probgen.learn.boltzmann.doubled import compose, doubled_machines, tie
from probgen.learn.boltzmann.gradient import energy_gradient
from probgen.learn.boltzmann.methods import CD, PCD, ExactGradient
from probgen.learn.boltzmann.pretrain import DoubledLayers
from probgen.models.rbm import RBM
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units
from tests.nets.boltzmann.machines import machine_of, states_of, values_of

FOUR = [Units("x", 6), Units("h", 5), Units("g", 4), Units("f", 3)]


def pairs():
    """Six binary units in three equal pairs."""
    random = torch.Generator().manual_seed(0)
    return torch.randint(2, (200, 3), generator=random).float().repeat(1, 2)


@pytest.mark.parametrize("kind", ["deep", "deep_composite"])
def test_taking_apart_and_putting_together_changes_nothing(kind):
    machine, other = machine_of(kind), machine_of(kind, seed=5)
    compose(other, doubled_machines(machine))
    for name, value in machine.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value)


@pytest.mark.parametrize("broken", [False, True])
def test_a_layer_hears_half_of_what_either_machine_tells_it(broken):
    """Where both machines agree on a layer's activation, so does the deep machine's."""
    machine = machine_of("deep_composite")
    parts = doubled_machines(machine)
    if broken:  # the factor of two is left in
        with torch.no_grad():
            machine.weights[1].mul_(2)
    states = states_of(machine, values_of(machine, 5))
    low, high = states[0].repeat(1, 2), states[2]
    from_below = parts[0].activation(1, [low, None])
    from_above = parts[1].activation(0, [None, high])
    together = machine.activation(1, states)
    assert torch.allclose((from_below + from_above) / 2, together) != broken


@pytest.mark.parametrize("number", [0, 2])
def test_copies_have_the_same_gradient(number):
    machine = machine_of("deep_composite")
    part = doubled_machines(machine)[number]
    found = energy_gradient(part, states_of(part, values_of(part, 6)))
    untied = {name: value.clone() for name, value in found.items()}
    layer = 0 if number == 0 else 1
    tie(found, layer)
    assert len(found["log_variance"]) == 4 * (number == 0)
    for name in (f"biases.{layer}", "weights.0", *["log_variance"] * (number == 0)):
        first, second = found[name].chunk(2, layer if name == "weights.0" else 0)
        assert torch.equal(first, second)
        assert not torch.equal(*untied[name].chunk(2, layer if name == "weights.0" else 0))
    assert torch.equal(found[f"biases.{1 - layer}"], untied[f"biases.{1 - layer}"])


def pretrained(machine=CD(learning_rate=0.2), layers=FOUR, epochs=45, **options):  # noqa: B008
    method = options.pop("method", DoubledLayers(machine))
    return pg.fit(
        BoltzmannMachine(layers), method, data=pairs(), epochs=epochs, batch_size=50, seed=1,
        progress=False, **options,
    )  # fmt: skip


@pytest.mark.parametrize("broken", [False, True])
def test_the_start_is_a_good_machine_already(monkeypatch, broken):
    """Units alone have -4.16 nats, the truth -2.08; twice the weights are worse than nothing."""
    if broken:
        own = pretrain.compose

        def too_strong(model, machines):
            own(model, machines)
            for weight in model.weights:
                weight.mul_(2)

        monkeypatch.setattr(pretrain, "compose", too_strong)
    fit = pretrained(ExactGradient(learning_rate=0.3, momentum=0.9), FOUR[:3], 60)
    found = log_likelihood(fit.model, pairs()).variational.mean()
    assert found < -4.5 if broken else found > -2.4


def test_learning_goes_on_from_the_start():
    start = pretrained()
    before = log_likelihood(start.model, pairs())
    method = PCD(start="as is", learning_rate=0.1, k=2)
    fit = pg.fit(
        start.model, method, data=pairs(), epochs=40, batch_size=50, seed=1, progress=False
    )
    assert log_likelihood(fit.model, pairs()).variational.mean() > before.variational.mean() + 0.1


def test_a_training_that_was_stopped_goes_on_to_the_same_bits(tmp_path, monkeypatch):
    whole, steps = pretrained(epochs=6), []
    step = pretrain.DoubledLearner.step

    class Stop(Exception):
        pass

    def broken(self, batch, loop):
        steps.append(loop.clock)
        if len(steps) == 11:  # in the second machine
            raise Stop
        return step(self, batch, loop)

    monkeypatch.setattr(pretrain.DoubledLearner, "step", broken)
    with pytest.raises(Stop):
        pretrained(epochs=6, store=tmp_path / "run", checkpoint_steps=1)
    monkeypatch.undo()
    resumed = pg.resume(tmp_path / "run", BoltzmannMachine(FOUR), data=pairs(), progress=False)
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], value, atol=0, rtol=0)


def test_wrong_models_and_settings_are_refused():
    with pytest.raises(ModelError, match=r"three or more layers.*RBM"):
        pg.fit(RBM(), DoubledLayers(), data=torch.zeros(4, 64), progress=False)
    with pytest.raises(OptionError, match="3 restricted machines"):
        pretrained(method=DoubledLayers(shares=(1, 1)))
    with pytest.raises(OptionError, match="ema"):
        pretrained(ema=0.9)
    with pytest.raises(OptionError, match="not all 0"):
        DoubledLayers(shares=(0, 0, 0))
    with pytest.raises(OptionError, match="all its visible units"):
        DoubledLayers(CD(target="y"))
