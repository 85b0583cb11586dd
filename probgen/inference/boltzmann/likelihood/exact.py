"""Exact sums of small machines: log Z, and sums over the hidden layers given the visible one."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from probgen.inference.boltzmann.likelihood.result import LogPartition
from probgen.nets.boltzmann.listing import log_sum_listed, smaller_side
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.sums import double

__all__ = ["exact_log_partition", "log_sum_hidden"]


@torch.no_grad()
def exact_log_partition(machine: BoltzmannMachine) -> LogPartition:
    """Log Z in float64, listing the side of a machine with fewer states.

    Raises `TooLargeError` when neither has at most 2^25.
    """
    started = time.perf_counter()
    listed, between = smaller_side(machine)
    value = float(log_sum_listed(double(machine), listed, between))
    return LogPartition(
        value, "Exact", interval=(value, value), seconds=time.perf_counter() - started
    )


@torch.no_grad()
def log_sum_hidden(machine: BoltzmannMachine, visible: Tensor) -> Tensor:
    """Log of the sum of exp(-E) over all hidden layers given the visible one, (cases,) float64.

    Raises `TooLargeError` when too many states would have to be listed.
    """
    exact = double(machine)
    if len(machine.layers) == 2:
        return -exact.free_energy(visible.double())
    listed, between = smaller_side(machine, first=1, most=15)
    return log_sum_listed(exact, listed, between, visible.double())
