"""Deep belief network: directed features under an associative memory.

Source: Hinton, Osindero and Teh (2006), "A fast learning algorithm for deep belief nets", Neural
Computation 18:1527-1554. The second hidden layer has as many units as there are pixels, so that
the top machine starts as the first one turned over, which leaves the likelihood as it was.
Data: 1797 handwritten digits, 8x8 (Alpaydin and Kaynak 1998, UCI), as bundled with scikit-learn;
a pixel is on from half of full ink.
"""

from __future__ import annotations

from probgen.learn.boltzmann.greedy import GreedyLayers
from probgen.models.rbm import data as data
from probgen.nets.boltzmann.belief import BeliefNetwork
from probgen.nets.boltzmann.units import Units

method = GreedyLayers()


class DBN(BeliefNetwork):
    """`visible` pixels "x" and layers "h1", "h2", ... of as many features as `hidden` says."""

    def __init__(self, visible: int = 64, hidden: tuple[int, ...] = (64, 64)) -> None:
        features = [Units(f"h{number + 1}", size) for number, size in enumerate(hidden)]
        super().__init__([Units("x", visible), *features])
