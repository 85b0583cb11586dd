"""Entries with one of several values that need no order."""

from __future__ import annotations

import pyro.distributions as dist
import torch
from torch import Tensor

from probgen.nets.likelihoods.base import Likelihood

__all__ = ["Categorical"]


class Categorical(Likelihood):
    """0 ... states-1; the network gives a log weight for every state of every entry."""

    def __init__(self, size: int, states: int) -> None:
        super().__init__(size)
        self.each = states

    def entries(self, parameters: Tensor) -> dist.TorchDistribution:
        """Of log weights (..., states * size), all entries of one state together."""
        return dist.Categorical(logits=torch.stack(self.kinds(parameters), -1))
