"""Where learning starts: visible biases that give each unit alone its frequency in the data.

Source: Hinton (2010), "A practical guide to training restricted Boltzmann machines", section 8.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.values import read_values

__all__ = ["moments", "start_from"]


@torch.no_grad()
def moments(
    machine: BoltzmannMachine, batches: Iterable[Mapping[str, Tensor]]
) -> tuple[Tensor, Tensor, Tensor]:
    """Means of visible states and of their squares, and cases that have each, (width,) each.

    Raises `DataError` for values that the units do not take, such as NaN of those that are not
    optional.
    """
    total = torch.zeros(3, machine.widths[0], dtype=torch.float64, device=machine.device)
    for batch in batches:
        states = machine.encode(0, read_values(machine, batch)).double()
        absent = machine.absent(0, states)
        here = torch.ones_like(states) if absent is None else (~absent).double()
        total += torch.stack([states.sum(0), states.square().sum(0), here.sum(0)])
    mean, square, cases = total
    seen = cases.clamp(min=1)
    return mean / seen, square / seen, cases


@torch.no_grad()
def start_from(machine: BoltzmannMachine, mean: Tensor, square: Tensor, cases: Tensor) -> None:
    """Set visible biases, and variances of Gaussian units, from the data's moments.

    Args:
        machine: to change.
        mean: of the visible states, (width,).
        square: mean of their squares, (width,).
        cases: that have each unit, (width,); one more case of each state keeps log-odds finite.

    """
    first, gaussian = 0, 0
    for units in machine.layers[0]:
        columns = slice(first, first + units.width)
        count, bias = cases[columns], machine.biases[0][columns]
        if units.kind == "gaussian":
            spread = (square[columns] - mean[columns] ** 2).clamp(min=1e-6)
            bias.copy_(mean[columns])
            machine.log_variance[gaussian : gaussian + units.size] = spread.log()
            gaussian += units.size
        elif units.kind == "bernoulli":
            on = (mean[columns] * count + 1) / (count + 2)
            bias.copy_(torch.logit(on))
        else:
            share = (mean[columns] * count + 1) / (count + units.states)
            bias.copy_(share.log())
        first += units.width
