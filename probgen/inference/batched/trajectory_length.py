"""The length of trajectories, adapted by the ChEES criterion of all chains.

ChEES is the expected change of the squared distance from the centre between the two ends of a
trajectory; it is climbed by stochastic gradients, which the chains give together. Hoffman,
Radul & Sountsov (2021), "An adaptive MCMC scheme for setting trajectory lengths in Hamiltonian
Monte Carlo"; Adam without first moment, as there.
"""

from __future__ import annotations

import math

import torch

from probgen.inference.batched.ensemble import Ensemble
from probgen.inference.batched.ledger import Ledger
from probgen.inference.batched.metric import Metric
from probgen.inference.batched.transition import Transition

__all__ = ["TrajectoryLength", "chees_gradient", "halton"]

LEARNING_RATE = 0.05
FORGETTING = 0.95
AVERAGING = 0.1


def halton(index: int) -> float:
    """Element `index` (from 1) of the Halton sequence of base 2, between 0 and 1."""
    value, share = 0.0, 0.5
    while index:
        value += share * (index & 1)
        index >>= 1
        share /= 2
    return value


def chees_gradient(start: Ensemble, result: Transition, metric: Metric) -> float:
    """Derivative of the criterion with respect to the time travelled, averaged over chains.

    In whitened space, weighted by acceptance; 0 when no chain moved.
    """
    weight = torch.where(result.diverging, 0.0, result.acceptance)
    total = weight.sum()
    if not total > 0:
        return 0.0
    rows = weight[:, None] > 0
    before = metric.whitened(start.position)
    after = torch.where(rows, metric.whitened(result.proposal.position), before)
    momentum = torch.where(rows, result.momentum, 0.0)
    before = before - before.mean(0)
    after = after - (weight[:, None] * after).sum(0) / total
    change = after.square().sum(1) - before.square().sum(1)
    slope = (after * momentum).sum(1)
    gradient = float((weight * change * slope).sum() / total)
    return gradient if math.isfinite(gradient) else 0.0


class TrajectoryLength:
    """Climbs the criterion in the logarithm of the length; keeps an average of late values."""

    def __init__(self, length: float) -> None:
        """Start from `length`, a time in whitened space."""
        self.log_length = math.log(length)
        self.average = self.log_length
        self._square, self._count = 0.0, 0

    def visit(self, ledger: Ledger) -> None:
        """Note it, or take it back."""
        ledger.numbers(self, ("log_length", "average", "_square", "_count"), "length_")

    @property
    def length(self) -> float:
        """The longest time to travel now."""
        return math.exp(self.log_length)

    @property
    def averaged_length(self) -> float:
        """The length to keep."""
        return math.exp(self.average)

    def update(self, gradient: float, longest: float, shortest: float) -> None:
        """Learn from the gradient with respect to the logarithm of the length."""
        if gradient == 0.0:
            return
        self._count += 1
        self._square = FORGETTING * self._square + (1 - FORGETTING) * gradient**2
        size = math.sqrt(self._square / (1 - FORGETTING**self._count))
        moved = self.log_length + LEARNING_RATE * gradient / size
        self.log_length = min(max(moved, math.log(shortest)), math.log(longest))
        self.average += AVERAGING * (self.log_length - self.average)

    def rescale(self, factor: float) -> None:
        """The same trajectories in a whitened space that is `factor` times as large."""
        self.log_length += math.log(factor)
        self.average = self.log_length
