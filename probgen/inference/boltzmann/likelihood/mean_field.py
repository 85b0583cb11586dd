"""A lower bound on the sum over hidden layers of a deep machine given its visible layer."""

from __future__ import annotations

import torch
from torch import Tensor

from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.mean_field import log_sum_bound, mean_field
from probgen.nets.boltzmann.sums import double

__all__ = ["mean_field_bound"]

_MOST_ROUNDS = 200
_SMALL = 1e-6  # the bound is flat where it is highest: its own error is of the order of the square


@torch.no_grad()
def mean_field_bound(machine: BoltzmannMachine, visible: Tensor) -> Tensor:
    """The bound by mean field (Salakhutdinov & Hinton 2009), nats, (cases,) float64."""
    exact = double(machine)
    means = mean_field(exact, visible.double(), tolerance=_SMALL, rounds=_MOST_ROUNDS)
    return log_sum_bound(exact, means)
