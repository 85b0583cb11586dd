"""Expectations of a small restricted machine by going through all states of one layer."""

from __future__ import annotations

import torch

from probgen.learn.boltzmann.gradient import Gradient, energy_gradient
from probgen.nets.boltzmann.listing import listed_states, log_sum_listed, smaller_side
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.sums import log_sum_between

__all__ = ["CHUNK", "LARGEST", "exact_log_partition", "expected_gradient"]

LARGEST = 20.0
"""Log2 of the states of the layer that is gone through."""
CHUNK = 1 << 14
"""States at a time."""


@torch.no_grad()
def exact_log_partition(machine: BoltzmannMachine) -> float:
    """Log of the sum of exp(-E) over all states, nats, in the machine's own precision.

    Raises `TooLargeError`.
    """
    return log_sum_listed(machine, *_sides(machine)).item()


@torch.no_grad()
def expected_gradient(machine: BoltzmannMachine) -> Gradient:
    """Mean of dE/dparameter under a restricted machine, without error. Raises `TooLargeError`."""
    (layer,), between = _sides(machine)
    log_z = exact_log_partition(machine)
    total: Gradient = {}
    for (state,) in listed_states(machine, [layer], CHUNK):
        both = [state, state]
        given = [state if own == layer else None for own in (0, 1)]
        log = log_sum_between(machine, given, between).double()
        share = (log - log_z).exp().to(state.dtype)
        other = 1 - layer
        both[other] = machine.mean(other, machine.activation(other, both))
        part = energy_gradient(machine, both, share)
        if layer == 1:
            # A mean stands for a Gaussian unit's state but in its square.
            part["log_variance"] -= share.sum() / 2
        total = {name: total.get(name, 0) + part[name] for name in part}
    return total


def _sides(machine: BoltzmannMachine) -> tuple[list[int], list[int]]:
    return smaller_side(machine, most=LARGEST, cure="learn it by PCD")
