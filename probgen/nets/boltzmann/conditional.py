"""Exact conditional laws of single visible units: log p(unit | every other visible unit).

The hidden layer is summed out, so that this is the law that classifies (Larochelle & Bengio
2008, "Classification using discriminative restricted Boltzmann machines") and that predicts a
rating (Salakhutdinov, Mnih & Hinton 2007, section 2.2), at the cost of one product with the
weights and one sum over the hidden units per state.
"""

from __future__ import annotations

import torch
from torch import Tensor

from probgen.errors import OptionError
from probgen.nets.boltzmann.machine import BoltzmannMachine

__all__ = ["log_conditional", "unit_columns"]


def log_conditional(
    machine: BoltzmannMachine, visible: Tensor, site: str, unit: int = 0
) -> Tensor:
    """Log probabilities of a discrete unit's states given the other visible units, nats.

    Args:
        machine: restricted (two layers).
        visible: states of layer 0, (batch, width); the unit's own columns are not read.
        site: of the unit.
        unit: which of the site.

    Returns (batch, states); state 1 of a Bernoulli unit is on. Differentiable. Raises
    `OptionError` unless the unit is a discrete one of the visible layer.

    """
    columns = unit_columns(machine, site, unit)
    weights, bias = machine.weights[0][columns], machine.biases[0][columns]
    if len(bias) == 1:  # a Bernoulli unit: off has weights and bias 0
        weights = torch.cat([torch.zeros_like(weights), weights])
        bias = torch.cat([torch.zeros_like(bias), bias])
    rest = visible.clone()
    rest[:, columns] = 0.0
    inputs = machine.activation(1, [rest, None])[:, None, :] + weights
    return (bias + machine.log_partition(1, inputs)).log_softmax(-1)


def unit_columns(machine: BoltzmannMachine, site: str, unit: int = 0) -> slice:
    """Where a unit's code is in the state of the visible layer; see `log_conditional`."""
    start = 0
    for units in machine.layers[0]:
        step = units.width // units.size
        if units.name == site and units.discrete and 0 <= unit < units.size:
            return slice(start + unit * step, start + (unit + 1) * step)
        start += units.width
    known = {units.name: units.size for units in machine.layers[0] if units.discrete}
    raise OptionError(
        f"The machine has no discrete visible unit {unit} of {site!r}; it has {known}."
    )
