"""The path from independent units to a machine, along which temperatures change.

At position s, with the energy E of the machine and rates a of the independent units,

    E_s(x) = s E(x) - (1 - s) a'x,

Gaussian units having mean a and the variance of the machine at s = 0. Couplings and biases fade
together, towards units much like those of the machine instead of coin tosses (Salakhutdinov
2010). Every layer's activation is s times that of the machine plus (1 - s) a.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from probgen.nets.boltzmann.block import Clamp
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.stream import Stream

__all__ = ["gain", "sweep_at"]


def sweep_at(
    machine: BoltzmannMachine,
    states: Sequence[Tensor],
    stream: Stream,
    position: Tensor,
    base: Sequence[Tensor],
    clamp: Clamp | None,
) -> list[Tensor]:
    """One sweep of block Gibbs that leaves exp(-E_s) invariant, s = `position` of each row."""
    new, share, count = list(states), position[:, None], len(states)
    for layer in [*range(1, count, 2), *range(0, count, 2)]:
        activation = share * machine.activation(layer, new) + (1 - share) * base[layer]
        drawn = machine.draw(layer, activation, stream)
        if clamp is not None and layer in clamp:
            mask, values = clamp[layer]
            drawn = torch.where(mask, values, drawn)
        new[layer] = drawn
    return new


def gain(machine: BoltzmannMachine, states: Sequence[Tensor], base: Sequence[Tensor]) -> Tensor:
    """Log density of the machine less that of the independent units, up to a constant, (row,)."""
    found = -machine.energy(states)
    for layer, (state, own) in enumerate(zip(states, base, strict=True)):
        found = found - _log_base(machine, layer, state, own)
    return found


def _log_base(machine: BoltzmannMachine, layer: int, state: Tensor, base: Tensor) -> Tensor:
    """Log density of independent units up to a constant, (row,)."""
    total, start, variances = state.new_zeros(len(state)), 0, machine.variances(layer)
    for units in machine.layers[layer]:
        place = slice(start, start + units.width)
        start += units.width
        part, own = state[:, place], base[:, place]
        if units.discrete:
            total = total + (part * own).sum(-1)
        else:
            assert variances is not None
            total = total - ((part - own) ** 2 / (2 * variances[place])).sum(-1)
    return total
