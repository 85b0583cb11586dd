"""Restricted machines with doubled layers, and the deep machine that they make together.

A hidden layer of a deep machine hears the layers below and above; of a restricted machine, one
of them only. So the lowest machine has the visible layer twice, and the highest one the top layer
twice, with the same weights to both copies; the machines between have twice the weights. Put
together, each layer hears half of what either machine told it: weights to one copy, half of the
weights between, and the mean of both machines' biases.

Source: Salakhutdinov & Hinton (2009), "Deep Boltzmann machines", section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from probgen.learn.boltzmann.gradient import Gradient
from probgen.nets.boltzmann.layers import Layer
from probgen.nets.boltzmann.machine import BoltzmannMachine

__all__ = ["compose", "doubled_machines", "tie"]


def doubled_machines(model: BoltzmannMachine) -> list[BoltzmannMachine]:
    """The restricted machines that `compose` makes the model of, from below upwards."""
    top = len(model.weights) - 1
    machines = []
    with torch.no_grad():
        for number, weight in enumerate(model.weights):
            low, high = model.layers[number], model.layers[number + 1]
            machine = BoltzmannMachine(
                [_twice(low) if number == 0 else low, _twice(high) if number == top else high]
            ).to(model.biases[0])
            machine.weights[0].copy_(_copies(2 * weight if 0 < number < top else weight, machine))
            for layer, bias in enumerate(machine.biases):
                own = model.biases[number + layer]
                bias.copy_(own.repeat(len(bias) // len(own)))
            if number == 0:
                machine.log_variance.copy_(model.log_variance.repeat(2))
            machines.append(machine)
    return machines


@torch.no_grad()
def compose(model: BoltzmannMachine, machines: Sequence[BoltzmannMachine]) -> None:
    """Set the model's parameters from those of its doubled machines."""
    top = len(machines) - 1
    heard: Tensor = machines[0].biases[0][: model.widths[0]]  # no machine below
    for number, machine in enumerate(machines):
        low, high = model.widths[number : number + 2]
        weight = machine.weights[0][:low, :high]
        model.weights[number].copy_(weight / 2 if 0 < number < top else weight)
        model.biases[number].copy_((heard + machine.biases[0][:low]) / 2)
        heard = machine.biases[1][:high]
    model.biases[-1].copy_(heard)
    model.log_variance.copy_(machines[0].log_variance[: len(model.log_variance)])


@torch.no_grad()
def tie(found: Gradient, layer: int) -> None:
    """Give both copies of a doubled layer, 0 or 1, the mean of their gradients, in place."""
    names = {"weights.0": layer, f"biases.{layer}": 0}
    if layer == 0 and len(found.get("log_variance", ())):
        names["log_variance"] = 0
    for name, dimension in names.items():
        first, second = found[name].chunk(2, dimension)
        mean = (first + second) / 2
        first.copy_(mean)
        second.copy_(mean)


def _twice(layer: Layer) -> Layer:
    return (*layer, *(replace(units, name=units.name + "_copy") for units in layer))


def _copies(weight: Tensor, machine: BoltzmannMachine) -> Tensor:
    low, high = machine.widths
    return weight.repeat(low // len(weight), high // weight.shape[1])
