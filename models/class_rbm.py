"""Restricted Boltzmann machine of pixels and label: draws and classifies.

Source: Larochelle and Bengio (2008), "Classification using discriminative restricted Boltzmann
machines", ICML; the label is one softmax unit beside the pixels.
Data: 1797 handwritten digits, 8x8, with their labels (Alpaydin and Kaynak 1998, UCI), as bundled
with scikit-learn; a pixel is on from half of full ink.
"""

from __future__ import annotations

import torch
from torch import Tensor

from probgen.learn.boltzmann.methods import PCD
from probgen.models.rbm import data as pixels
from probgen.nets.boltzmann.conditional import log_conditional
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units

method = PCD(learning_rate=0.01, optimiser="adam", target="y", generative=0.1)


class ClassRBM(BoltzmannMachine):
    """`visible` pixels "x" and a label "y" of `classes` states, with `hidden` features "h"."""

    def __init__(self, visible: int = 64, classes: int = 10, hidden: int = 100) -> None:
        label = Units("y", 1, "categorical", states=classes)
        super().__init__([(Units("x", visible), label), Units("h", hidden)])

    def log_probabilities(self, x: Tensor) -> Tensor:
        """Log p(y | x) of every label, exactly, nats: (batch, visible) -> (batch, classes)."""
        none = x.new_zeros(len(x), 1)
        return log_conditional(self, self.encode(0, {"x": x, "y": none}), "y")

    def log_conditional(self, label: Tensor, x: Tensor) -> Tensor:
        """Log p(y = label | x), the discriminative log likelihood, nats, (batch,).

        `label` is (batch,) or (batch, 1), `x` (batch, visible).
        """
        chosen = label.long().reshape(-1, 1)
        return self.log_probabilities(x).gather(-1, chosen).squeeze(-1)


def data() -> dict[str, Tensor]:
    """Pixels (1797, 64), 0 or 1, and labels (1797, 1), 0 to 9."""
    from sklearn.datasets import load_digits

    return pixels() | {"y": torch.from_numpy(load_digits().target).long()[:, None]}
