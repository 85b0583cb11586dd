"""What an objective becomes for one program and guide: a loss of a minibatch."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from probgen.learn.training.protocol import Batch
from probgen.learn.variational.binary import binary_sum
from probgen.learn.variational.layout import Layout, rows_of
from probgen.learn.variational.pair import Pair
from probgen.learn.variational.run import Message, log_prob

__all__ = ["Estimator"]


class Estimator:
    """The loss of a minibatch, in nats per row, its gradient and what else is known of it.

    Attributes
    ----------
    label: which estimator it is, in words, for the summary.
    describe: what its metrics are, by name.

    """

    label: str = ""
    describe: ClassVar[dict[str, str]] = {}

    def __init__(self, pair: Pair, layout: Layout) -> None:
        self.pair, self.layout = pair, layout
        self.notes: list[str] = []

    def __call__(self, batch: Batch, kl_weight: float = 1.0) -> dict[str, Tensor]:
        """Metrics; the "loss" can be differentiated.

        `kl_weight` multiplies the densities of latent sites, in guide and program.
        """
        raise NotImplementedError

    def backward(self, batch: Batch, kl_weight: float = 1.0) -> dict[str, Tensor]:
        """Metrics, the loss's gradient added to the parameters."""
        found = self(batch, kl_weight)
        if found["loss"].requires_grad:
            found["loss"].backward()
        return {name: value.detach() for name, value in found.items()}

    def evaluate(self, batch: Batch) -> dict[str, Tensor]:
        """Metrics on validation data, without gradients."""
        with torch.no_grad():
            return self(batch)

    def total(self, message: Message, batch: Batch) -> Tensor:
        """A site's log density as it counts in the loss per row, a scalar."""
        found = binary_sum(message)
        return self.scaled(log_prob(message) if found is None else found, message, rows_of(batch))

    def scaled(self, value: Tensor, message: Message, rows: int) -> Tensor:
        """The sum of a density that is masked already, scaled as program and layout say."""
        scale, weight = message["scale"], self.layout.weight(message, rows)
        if isinstance(scale, Tensor):
            return (value * scale).sum() * weight
        return value.sum() * (scale * weight)
