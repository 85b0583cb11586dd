"""Closed-form gradients against automatic ones, and against sums over every state."""

import pytest
import torch

from probgen.errors import TooLargeError
from probgen.learn.boltzmann.centring import centre
from probgen.learn.boltzmann.enumeration import (
    exact_log_partition,
    expected_gradient,
)
from probgen.learn.boltzmann.gradient import energy_gradient, gradient
from probgen.nets.boltzmann.listing import smaller_side
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units
from tests.nets.boltzmann.machines import (
    LAYERS,
    RESTRICTED,
    exact_law,
    machine_of,
    states_of,
    values_of,
)


def automatic(machine, loss):
    names, parameters = zip(*machine.named_parameters(), strict=True)
    parts = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    return dict(zip(names, parts, strict=True))


def assert_equal(found, wanted):
    assert set(found) == set(wanted)
    for name in wanted:
        torch.testing.assert_close(found[name], wanted[name], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("kind", LAYERS)
def test_gradient_of_the_energy_is_the_automatic_one(kind):
    machine = machine_of(kind)
    states = states_of(machine, values_of(machine, 7))
    assert_equal(
        energy_gradient(machine, states), automatic(machine, machine.energy(states).mean())
    )
    weights = torch.rand(7, dtype=torch.float64)
    assert_equal(
        energy_gradient(machine, states, weights),
        automatic(machine, weights @ machine.energy(states)),
    )


@pytest.mark.parametrize("kind", RESTRICTED)
@pytest.mark.parametrize("sign", [1, -1])
def test_exact_gradient_is_that_of_the_likelihood(kind, sign):
    machine = machine_of(kind)
    visible = states_of(machine, values_of(machine, 6))[0]
    up = [visible, machine.mean(1, machine.activation(1, [visible, None])).detach()]
    positive, negative = energy_gradient(machine, up), expected_gradient(machine)
    found = {name: positive[name] - sign * negative[name] for name in positive}
    step = 1e-5
    for name, parameter in machine.named_parameters():
        for place in range(min(parameter.numel(), 5)):
            losses = []
            for shift in (step, -2 * step, step):
                losses.append(
                    machine.free_energy(visible).mean().item() + exact_log_partition(machine)
                )
                with torch.no_grad():
                    parameter.view(-1)[place] += shift
            slope = (losses[1] - losses[2]) / (2 * step)
            agrees = abs(float(found[name].reshape(-1)[place]) - slope) < 1e-6
            assert agrees or sign == -1, name
    if sign == -1:
        assert not agrees


@pytest.mark.parametrize("layers", ["wide below", "wide above"])
def test_both_layers_may_be_gone_through(layers):
    sizes = (3, 5) if layers == "wide above" else (5, 3)
    machine = BoltzmannMachine([Units("x", sizes[0]), Units("h", sizes[1])], 1.0).double()
    assert smaller_side(machine)[0] == [0 if layers == "wide above" else 1]
    states, log_p, log_z = exact_law(machine)
    assert exact_log_partition(machine) == pytest.approx(log_z, abs=1e-9)
    assert_equal(expected_gradient(machine), energy_gradient(machine, states, log_p.exp()))


def test_sums_that_are_too_large_are_refused():
    machine = BoltzmannMachine([Units("x", 30), Units("h", 21)])
    with pytest.raises(TooLargeError, match=r"\[30, 21\]"):
        expected_gradient(machine)


def test_gradients_of_equal_states_cancel():
    machine = machine_of("deep_composite")
    states = states_of(machine, values_of(machine, 5))
    assert all(not part.any() for part in gradient(machine, states, states).values())


@pytest.mark.parametrize("kind", ["bernoulli", "composite", "deep"])
@pytest.mark.parametrize("broken", [False, True])
def test_centred_gradient_is_that_of_the_centred_energy(kind, broken):
    """Descend in the parameters of the centred energy, and compare where both arrive."""
    machine = machine_of(kind)
    positive = states_of(machine, values_of(machine, 6, seed=3))
    negative = states_of(machine, values_of(machine, 6, seed=4))
    signals = [machine.signal(i, s).detach() for i, s in enumerate(positive)]
    offsets = [signal.mean(0) for signal in signals]
    found = gradient(machine, positive, negative)
    centre(found, offsets)

    # b' = b + W l below and c' = c + m' W above leave the density as it is.
    centred = [bias.detach().clone() for bias in machine.biases]
    for layer, weight in enumerate(machine.weights):
        centred[layer] += weight.detach() @ offsets[layer + 1]
        centred[layer + 1] += offsets[layer] @ weight.detach()
    inner = [c.requires_grad_() for c in centred]
    weights = [w.detach().clone().requires_grad_() for w in machine.weights]
    outer = list(inner)
    for layer, weight in enumerate(weights):
        outer[layer] = outer[layer] - weight @ offsets[layer + 1]
        outer[layer + 1] = outer[layer + 1] - offsets[layer] @ weight
    names = {f"biases.{i}": b for i, b in enumerate(outer)}
    names |= {f"weights.{i}": w for i, w in enumerate(weights)}

    named = {f"m.{name}": value for name, value in names.items()}

    def loss(states):
        return torch.func.functional_call(_Energy(machine), named, (states,)).mean()

    parts = torch.autograd.grad(loss(positive) - loss(negative), [*inner, *weights])
    own, slopes = parts[: len(inner)], parts[len(inner) :]
    sign = -1 if broken else 1
    wanted = [part.clone() for part in own]
    for layer, slope in enumerate(slopes):
        torch.testing.assert_close(found[f"weights.{layer}"], slope)
        wanted[layer] -= sign * slope @ offsets[layer + 1]
        wanted[layer + 1] -= sign * offsets[layer] @ slope
    same = [torch.allclose(found[f"biases.{i}"], w, atol=1e-10) for i, w in enumerate(wanted)]
    assert all(same) != broken


class _Energy(torch.nn.Module):
    def __init__(self, machine):
        super().__init__()
        self.m = machine

    def forward(self, states):
        return self.m.energy(states)
