"""The gradient of a Boltzmann machine's likelihood as a difference of two averages.

For every parameter, the gradient of -log p(data) in nats is the mean of dE/dparameter over the
data with the hidden layers drawn (or averaged) given them, less its mean over the machine's own
states (Ackley, Hinton & Sejnowski 1985). E is linear in each discrete layer, so means of one
layer given its neighbours may stand for states of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from probgen.nets.boltzmann.machine import BoltzmannMachine

__all__ = ["Gradient", "energy_gradient", "gradient"]

Gradient = dict[str, Tensor]
"""Parameter name, as in `machine.named_parameters()`, to its gradient."""


@torch.no_grad()
def gradient(
    machine: BoltzmannMachine, positive: Sequence[Tensor], negative: Sequence[Tensor]
) -> Gradient:
    """Gradient of -log p, nats per case.

    Args:
        machine: whose energy.
        positive: states or means of every layer given the data, (batch, width) each.
        negative: states or means of every layer under the machine; any number of rows.

    """
    up, down = energy_gradient(machine, positive), energy_gradient(machine, negative)
    return {name: up[name] - down[name] for name in up}


@torch.no_grad()
def energy_gradient(
    machine: BoltzmannMachine, states: Sequence[Tensor], weights: Tensor | None = None
) -> Gradient:
    """Mean of dE/dparameter over rows of states, or their weighted sum with `weights` (batch,)."""
    rows = len(states[0])
    share = torch.full_like(states[0][:, 0], 1 / rows) if weights is None else weights
    signals = [machine.signal(layer, state) for layer, state in enumerate(states)]
    found = {
        f"biases.{layer}": -(share @ signal) for layer, signal in enumerate(signals)
    }  # of discrete units
    for layer, (low, high) in enumerate(pairwise(signals)):
        found[f"weights.{layer}"] = -((low * share[:, None]).T @ high)
    gaussian = _gaussian_columns(machine)
    if gaussian is None:
        found["log_variance"] = torch.zeros_like(machine.log_variance)
        return found
    # E = (x - b)^2 / 2 var - (x / var) input, with the sum of the shares in place of 1.
    x, bias, variance = (
        states[0][:, gaussian],
        machine.biases[0][gaussian],
        machine.log_variance.exp(),
    )
    residual = x - bias
    found["biases.0"][gaussian] = -(share @ residual) / variance
    input = signals[1] @ machine.weights[0].T[:, gaussian]
    found["log_variance"] = (share @ (x * input - residual**2 / 2)) / variance
    return found


def _gaussian_columns(machine: BoltzmannMachine) -> Tensor | None:
    """Where the Gaussian units of layer 0 are, or None."""
    if not len(machine.log_variance):
        return None
    real = [not units.discrete for units in machine.layers[0] for _ in range(units.width)]
    return torch.tensor(real, device=machine.log_variance.device).nonzero()[:, 0]
