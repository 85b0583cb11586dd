"""What likelihoods share: entries that are independent given the network's output.

The network gives `each` numbers for every one of `size` entries; numbers of one kind stand
together: all locations, then all scales. Entries that are missing (NaN) are left out of the
density, which is exact since they are independent of the others given the latents.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from pyro.distributions import TorchDistribution
from torch import Tensor, compiler, nn

__all__ = ["Likelihood", "filled", "known"]


class Likelihood(nn.Module, ABC):
    """The law of one case, a vector of `size` entries."""

    each: int = 1
    """Numbers that the network gives for every entry."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    @property
    def width(self) -> int:
        """Numbers that the network gives for a case."""
        return self.size * self.each

    @abstractmethod
    def entries(self, parameters: Tensor) -> TorchDistribution:
        """The law of every entry: parameters (..., width) -> batch shape (..., size)."""

    def distribution(self, parameters: Tensor, known: Tensor | None = None) -> TorchDistribution:
        """The law of cases, batch shape (...), event shape (size,).

        `known`, bool (..., size), says which entries count; None, all of them.
        """
        entries = self.entries(parameters)
        return (entries if known is None else entries.mask(known)).to_event(1)

    def kinds(self, parameters: Tensor) -> tuple[Tensor, ...]:
        """The network's numbers by kind: `each` tensors (..., size)."""
        return parameters.unflatten(-1, (self.each, self.size)).unbind(-2)

    def extra_repr(self) -> str:
        """The size."""
        return f"{self.size}"


def known(x: Tensor | None) -> Tensor | None:
    """Which entries of a case are there; None where all are."""
    if x is None or not x.is_floating_point() or compiler.is_compiling():
        return None
    missing = x.isnan()
    return ~missing if bool(missing.any()) else None


def filled(x: Tensor, known: Tensor | None) -> Tensor:
    """The case with 0 where an entry is missing."""
    return x if known is None else x.where(known, 0.0)
