"""Deep Boltzmann machine: undirected layers of features above the pixels.

Source: Salakhutdinov and Hinton (2009), "Deep Boltzmann machines", AISTATS 5:448-455; without
pretraining, thanks to centring (Montavon and Mueller 2012).
Data: 1797 handwritten digits, 8x8 (Alpaydin and Kaynak 1998, UCI), as bundled with scikit-learn;
a pixel is on from half of full ink.
"""

from __future__ import annotations

from probgen.learn.boltzmann.methods import PCD
from probgen.models.rbm import data as data
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units

method = PCD(learning_rate=0.1, k=5)


class DBM(BoltzmannMachine):
    """`visible` pixels "x" and layers "h1", "h2", ... of as many features as `hidden` says."""

    def __init__(self, visible: int = 64, hidden: tuple[int, ...] = (64, 32)) -> None:
        features = [Units(f"h{number + 1}", size) for number, size in enumerate(hidden)]
        super().__init__([Units("x", visible), *features])
