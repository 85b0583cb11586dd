"""Means of the late iterates of a training, which have less noise than the last of them.

Dhaka et al. (2020): averages of iterates at a constant rate are the more accurate answer.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["Averages"]


class Averages:
    """Sums of parameters over the steps of two successive stretches, the later one in flight."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        """Nothing to average yet."""
        self.parameters = list(parameters)
        self.first = [p.detach().clone() for p in parameters]
        """What there was before any step."""
        self.older, self.newer = self._zeros(), self._zeros()
        self.counts = [0, 0]

    def add(self) -> None:
        """Take in the parameters as they are."""
        torch._foreach_add_(self.newer, [p.detach() for p in self.parameters])
        self.counts[1] += 1

    def turn(self) -> None:
        """Begin another stretch; that before the last is forgotten."""
        self.older, self.newer = self.newer, self._zeros()
        self.counts = [self.counts[1], 0]

    def begin(self) -> None:
        """Forget both, for iterates that were noisier; start from the mean of them."""
        self.first = self.means()
        self.older, self.newer = self._zeros(), self._zeros()
        self.counts = [0, 0]

    def means(self) -> list[Tensor]:
        """Averages over both stretches; what there was before if they are empty."""
        count = sum(self.counts)
        if count == 0:
            return [p.clone() for p in self.first]
        return [(a + b) / count for a, b in zip(self.older, self.newer, strict=True)]

    @torch.no_grad()
    def put_in(self) -> None:
        """Set the parameters to their averages."""
        for parameter, mean in zip(self.parameters, self.means(), strict=True):
            parameter.copy_(mean)

    def _zeros(self) -> list[Tensor]:
        return [torch.zeros_like(p) for p in self.parameters]
