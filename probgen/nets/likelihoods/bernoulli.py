"""Pixels that are on or off."""

from __future__ import annotations

import pyro.distributions as dist
from torch import Tensor

from probgen.nets.likelihoods.base import Likelihood

__all__ = ["Bernoulli"]


class Bernoulli(Likelihood):
    """0 or 1; the network gives the log odds of every entry."""

    def entries(self, parameters: Tensor) -> dist.TorchDistribution:
        """Of log odds (..., size)."""
        return dist.Bernoulli(logits=parameters)
