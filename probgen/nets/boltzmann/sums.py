"""Sums and integrals over whole layers of a Boltzmann machine, in closed form.

With every other layer given, the layers between are independent of each other and of the rest,
and so are the units in them: their sum is a product.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence

from torch import Tensor

from probgen.nets.boltzmann.machine import BoltzmannMachine

__all__ = ["double", "layer_energy", "log_sum", "log_sum_between"]


def double(machine: BoltzmannMachine) -> BoltzmannMachine:
    """A copy in float64."""
    return copy.deepcopy(machine).double()


def log_sum(
    machine: BoltzmannMachine, layer: int, activation: Tensor, bias: Tensor | None = None
) -> Tensor:
    """Log of the sum (or integral) over a layer of exp(-E), given its activation, (batch,).

    `bias` stands in for the layer's own; only Gaussian units need it.
    """
    bias = machine.biases[layer] if bias is None else bias
    variance, total, start = machine.variances(layer), activation.new_zeros(()), 0
    for units, part in machine.parts(layer, activation):
        stop = start + units.width
        if units.discrete:
            total = total + units.log_partition(part)
        else:
            assert variance is not None
            own = variance[start:stop]
            total = total + ((part**2 - bias[start:stop] ** 2) / (2 * own)).sum(-1)
            total = total + 0.5 * (2 * math.pi * own).log().sum()
        start = stop
    return total


def layer_energy(machine: BoltzmannMachine, layer: int, state: Tensor, bias: Tensor) -> Tensor:
    """Energy of a layer without its couplings, with `bias` in place of its own, (batch,)."""
    variance, total, start = machine.variances(layer), state.new_zeros(state.shape[:-1]), 0
    for units, part in machine.parts(layer, state):
        stop = start + units.width
        if units.discrete:
            total = total - part @ bias[start:stop]
        else:
            assert variance is not None
            off = (part - bias[start:stop]) ** 2
            total = total + (off / (2 * variance[start:stop])).sum(-1)
        start = stop
    return total


def log_sum_between(
    machine: BoltzmannMachine, states: Sequence[Tensor | None], summed: Iterable[int]
) -> Tensor:
    """Log of the sum of exp(-E) over the layers `summed`, all others given, (batch,).

    No two layers of `summed` may be neighbours.
    """
    total: Tensor | float = 0.0
    for layer, state in enumerate(states):
        if state is not None:
            total = total - layer_energy(machine, layer, state, machine.biases[layer])
    for layer in summed:
        total = total + log_sum(machine, layer, machine.activation(layer, states))
    assert isinstance(total, Tensor)
    return total
