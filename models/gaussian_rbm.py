"""Restricted Boltzmann machine of real numbers, variances learned.

Source: Welling, Rosen-Zvi and Hinton (2005), "Exponential family harmoniums with an application
to information retrieval"; variances as parameters after Cho, Ilin and Raiko (2011), "Improved
learning of Gaussian-Bernoulli restricted Boltzmann machines".
Data: 13 chemical measurements of 178 Italian wines from three cultivars (Forina et al. 1988,
UCI), as bundled with scikit-learn, standardised.
"""

from __future__ import annotations

import torch

from probgen.learn.boltzmann.methods import ExactGradient
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units

method = ExactGradient(learning_rate=0.02, optimiser="adam")  # 256 hidden states: no chains


class GaussianRBM(BoltzmannMachine):
    """`visible` real measurements "x" with a variance each, and `hidden` binary features "h"."""

    def __init__(self, visible: int = 13, hidden: int = 8) -> None:
        super().__init__([Units("x", visible, "gaussian"), Units("h", hidden)])


def data() -> dict[str, torch.Tensor]:
    """Standardised measurements of the wines, (178, 13)."""
    from sklearn.datasets import load_wine

    x = torch.from_numpy(load_wine().data)
    return {"x": ((x - x.mean(0)) / x.std(0)).float()}
