"""Restricted Boltzmann machine: binary pixels and binary features.

Source: Smolensky (1986), "Information processing in dynamical systems"; Hinton (2002), "Training
products of experts by minimizing contrastive divergence", Neural Computation 14:1771-1800.
Data: 1797 handwritten digits, 8x8 (Alpaydin and Kaynak 1998, UCI), as bundled with scikit-learn;
a pixel is on from half of full ink.
"""

from __future__ import annotations

import torch

from probgen.learn.boltzmann.methods import PCD
from probgen.learn.training.schedules import Cosine
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units

method = PCD(learning_rate=Cosine(0.2))


class RBM(BoltzmannMachine):
    """`visible` pixels "x" and `hidden` features "h", all 0 or 1."""

    def __init__(self, visible: int = 64, hidden: int = 64) -> None:
        super().__init__([Units("x", visible), Units("h", hidden)])


def data() -> dict[str, torch.Tensor]:
    """Pixels of the digits, (1797, 64), 0 or 1."""
    from sklearn.datasets import load_digits

    return {"x": torch.from_numpy(load_digits().data >= 8).float()}
