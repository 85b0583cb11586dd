"""The negative phase: states of the machine's own that learning pushes up in energy.

`ChainsFromData` is contrastive divergence (Hinton 2002), `PersistentChains` stochastic maximum
likelihood (Younes 1989; Tieleman 2008), and `EveryState` the exact expectation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from probgen.errors import DataError
from probgen.learn.boltzmann.enumeration import CHUNK, expected_gradient
from probgen.learn.boltzmann.gradient import Gradient, energy_gradient
from probgen.nets.boltzmann.block import sweep
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.stream import Stream

__all__ = [
    "ChainsFromData",
    "EveryState",
    "Negative",
    "PersistentChains",
    "averaged_top",
    "repeated",
]


class Negative(Protocol):
    """A way to average dE/dparameter over the machine's states."""

    @property
    def rows(self) -> int:
        """How many states are gone through at a time; 0 for as many as a batch has."""

    def expectation(
        self, machine: BoltzmannMachine, positive: Sequence[Tensor], absent: Tensor | None,
        stream: Stream,
    ) -> Gradient:  # fmt: skip
        """The average; `positive` are states of the data, `absent` marks units a case lacks."""

    def state(self) -> dict[str, Tensor]:
        """What goes into a checkpoint."""

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on from a checkpoint."""


class ChainsFromData:
    """Chains that start at the data in every step and make `k` sweeps."""

    rows = 0

    def __init__(self, k: int) -> None:
        self.k = k

    def expectation(
        self, machine: BoltzmannMachine, positive: Sequence[Tensor], absent: Tensor | None,
        stream: Stream,
    ) -> Gradient:  # fmt: skip
        """The average over where the chains end."""
        clamp = None if absent is None else {0: (absent, torch.zeros_like(positive[0]))}
        states = list(positive)
        for _ in range(self.k):
            states = sweep(machine, states, stream, clamp=clamp)
        return energy_gradient(machine, averaged_top(machine, states))

    def state(self) -> dict[str, Tensor]:
        """Nothing: the chains are made anew in every step."""
        return {}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Nothing."""


class PersistentChains:
    """`chains` chains that make `k` sweeps in every step and are never started again."""

    def __init__(self, k: int, chains: int) -> None:
        self.k, self.chains, self.rows = k, chains, chains
        self.states: list[Tensor] = []

    def expectation(
        self, machine: BoltzmannMachine, positive: Sequence[Tensor], absent: Tensor | None,
        stream: Stream,
    ) -> Gradient:  # fmt: skip
        """The average over the chains."""
        refuse_absent(absent)
        self.states = self.states or [repeated(state, self.chains) for state in positive]
        for _ in range(self.k):
            self.states = sweep(machine, self.states, stream)
        return energy_gradient(machine, averaged_top(machine, self.states))

    def state(self) -> dict[str, Tensor]:
        """The chains."""
        return {f"chains.{layer}": state for layer, state in enumerate(self.states)}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on with these chains."""
        self.states = [state[f"chains.{layer}"] for layer in range(len(state))]


class EveryState:
    """No chains: the expectation itself, of small machines."""

    rows = CHUNK

    def expectation(
        self, machine: BoltzmannMachine, positive: Sequence[Tensor], absent: Tensor | None,
        stream: Stream,
    ) -> Gradient:  # fmt: skip
        """The expectation; raises `TooLargeError`."""
        refuse_absent(absent)
        return expected_gradient(machine)

    def state(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Nothing."""


def repeated(states: Tensor, rows: int) -> Tensor:
    """The first rows of the data's states, again and again up to so many.

    Chains that begin there need not find the data's modes first. So the negative phase of a
    machine that has learned already, or has been made of one that has, is right from the start.
    """
    return states[torch.arange(rows, device=states.device) % len(states)]


def averaged_top(machine: BoltzmannMachine, states: Sequence[Tensor]) -> list[Tensor]:
    """The states with the odd layers' means in place of their draws, which has less variance.

    Odd layers are independent of each other given the even ones, so that their means stand for
    the states of all of them at once.
    """
    means = list(states)
    with torch.no_grad():
        for layer in range(1, len(states), 2):
            means[layer] = machine.mean(layer, machine.activation(layer, states))
    return means


def refuse_absent(absent: Tensor | None) -> None:
    """Raise `DataError` when some cases lack units."""
    if absent is not None:
        raise DataError(
            "Some cases lack optional units. A case without some units is a machine of its own, "
            "for which only pg.CD has chains; use pg.CD."
        )
