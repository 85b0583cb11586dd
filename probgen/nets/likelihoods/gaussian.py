"""Real numbers with normal noise, and the usual posterior of latents."""

from __future__ import annotations

import pyro.distributions as dist
import torch
from torch import Tensor, nn

from probgen.errors import OptionError
from probgen.nets.likelihoods.base import Likelihood

__all__ = ["Gaussian"]


class Gaussian(Likelihood):
    """Normal entries around means that the network gives.

    Args:
        size: entries of a case.
        scale: the standard deviation: a number that stays as it is; "shared", one for all, or
            "entry", one for every entry, both learned; "case", which the network gives, as a
            logarithm, for every entry of every case.
        start: first value of a learned scale.

    """

    def __init__(self, size: int, scale: float | str = "case", start: float = 1.0) -> None:
        super().__init__(size)
        self.scale = scale
        if scale in ("shared", "entry"):
            shape = (size,) if scale == "entry" else ()
            self.log_scale = nn.Parameter(torch.full(shape, float(start)).log())
        elif scale == "case":
            self.each = 2
        elif isinstance(scale, str) or not scale > 0:
            raise OptionError(
                f'Gaussian(scale={scale!r}): give a number above 0, "shared", "entry" or "case".'
            )

    def entries(self, parameters: Tensor) -> dist.TorchDistribution:
        """Of means (..., size), followed by as many log scales where each case has its own."""
        if self.scale == "case":
            mean, log_scale = self.kinds(parameters)
            return dist.Normal(mean, log_scale.exp())
        scale = self.log_scale.exp() if isinstance(self.scale, str) else self.scale
        return dist.Normal(parameters, scale)

    def extra_repr(self) -> str:
        """The size and the scale."""
        return f"{self.size}, scale={self.scale!r}"
