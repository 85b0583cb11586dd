"""What makes the transitions of a run on a machine, as the run sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from probgen.inference.boltzmann.layout import Layout
from probgen.inference.boltzmann.start import starting_states
from probgen.nets.boltzmann.block import sweep
from probgen.nets.stream import Stream

__all__ = ["BlockGibbs", "Kernel"]


class Kernel(Protocol):
    """A Markov chain on the states of all rows."""

    @property
    def states(self) -> list[Tensor]:
        """States at the machine itself, (row, width) of every layer."""

    @property
    def updates(self) -> int:
        """Updates of units so far."""

    def iterate(self, number: int) -> None:
        """Make transition `number`, warm-up included."""

    def arrays(self) -> dict[str, np.ndarray]:
        """All that the next transition depends on but `states` and the stream, a row a chain."""

    def restore(self, states: list[Tensor], arrays: Mapping[str, np.ndarray]) -> None:
        """Go on from there."""

    def summary(self) -> dict[str, Any]:
        """What is to be said of the run, JSON-able."""


class BlockGibbs:
    """Block Gibbs sampling (Smolensky 1986): layers in turn, given their neighbours."""

    def __init__(self, layout: Layout, stream: Stream) -> None:
        self._layout, self._stream = layout, stream
        self.states = starting_states(layout, stream)
        self.updates = 0

    def iterate(self, number: int) -> None:
        """One sweep over all layers."""
        clamp = self._layout.clamp
        self.states = sweep(self._layout.machine, self.states, self._stream, clamp=clamp)
        self.updates += self._layout.rows * self._layout.size

    def arrays(self) -> dict[str, np.ndarray]:
        """Nothing: the states are all there is."""
        return {}

    def restore(self, states: list[Tensor], arrays: Mapping[str, np.ndarray]) -> None:
        """Go on from these states."""
        self.states = states

    def summary(self) -> dict[str, Any]:
        """Which engine it was."""
        return {"engine": "block Gibbs", "notes": []}
