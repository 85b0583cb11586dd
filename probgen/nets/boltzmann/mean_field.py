"""Mean field of a machine's hidden layers given the visible one: the positive phase of learning,
and the features of a deep machine.

With q a product of independent units, log sum_h exp(-E(v, h)) >= E_q[-E] + H(q). The bound is
highest in a layer where its means are its conditional means at those of its neighbours
(Salakhutdinov & Hinton 2009). Odd layers are set all at once and then even ones: each time the
bound rises, so that unlike with all layers at once no damping is needed. In a restricted machine
q is the posterior.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from probgen.nets.boltzmann.machine import BoltzmannMachine

__all__ = ["entropy", "log_sum_bound", "mean_field", "variational_free_energy"]

TOLERANCE = 1e-4
"""Largest change of a mean in a round at which it counts as converged, for learning."""
ROUNDS = 30
"""The most rounds, for learning."""


@torch.no_grad()
def mean_field(
    machine: BoltzmannMachine,
    visible: Tensor,
    *,
    tolerance: float = TOLERANCE,
    rounds: int = ROUNDS,
) -> list[Tensor]:
    """Means of every layer, (batch, width) each; those of layer 0 are its states `visible`.

    They start with a pass upwards whose inputs are doubled where the layer above is still to
    come.
    """
    count = len(machine.layers)
    means = [visible]
    for layer in range(1, count):
        below = machine.signal(layer - 1, means[-1]) @ machine.weights[layer - 1]
        if layer == 1:
            risen = machine.biases[1] + below  # what layer 1 hears of the data, ever the same
        doubled = 2 if layer + 1 < count else 1
        means.append(machine.mean(layer, machine.biases[layer] + doubled * below))
    if count == 2:
        return means
    for _ in range(rounds):
        change = means[0].new_zeros(())
        for layer in (*range(1, count, 2), *range(2, count, 2)):
            if layer == 1:
                activation = risen + means[2] @ machine.weights[1].T
            else:
                activation = machine.activation(layer, means)
            new = machine.mean(layer, activation)
            change = torch.maximum(change, (new - means[layer]).abs().max())
            means[layer] = new
        if change <= tolerance:
            break
    return means


def entropy(machine: BoltzmannMachine, layer: int, means: Tensor) -> Tensor:
    """Entropy of independent discrete units of given means, nats, (batch,)."""
    total = torch.special.entr(means).sum(-1)
    for units, part in machine.parts(layer, means):
        if units.kind == "bernoulli":
            total = total + torch.special.entr(1 - part).sum(-1)
    return total


def log_sum_bound(machine: BoltzmannMachine, means: Sequence[Tensor]) -> Tensor:
    """E_q[-E] + H(q), a lower bound on log sum_h exp(-E) at any means, nats, (batch,)."""
    bound = -machine.energy(means)  # linear in every hidden layer
    for layer in range(1, len(means)):
        bound = bound + entropy(machine, layer, means[layer])
    return bound


@torch.no_grad()
def variational_free_energy(machine: BoltzmannMachine, visible: Tensor) -> Tensor:
    """The free energy of a restricted machine, an upper bound on it of a deep one, (batch,)."""
    if len(machine.layers) == 2:
        return machine.free_energy(visible)
    return -log_sum_bound(machine, mean_field(machine, visible))
