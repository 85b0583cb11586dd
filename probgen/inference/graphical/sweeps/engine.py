"""Which code makes the sweeps: native, torch on some device, or sites and blocks by turns."""

from __future__ import annotations

import ctypes

import numpy as np

from probgen.errors import BuildError
from probgen.inference.graphical.method import state_offsets
from probgen.inference.graphical.sweeps.native import sweep_library
from probgen.inference.graphical.sweeps.protocol import BlockUpdates, Sweeps
from probgen.inference.graphical.sweeps.sweeper import MOST_STATES, Sweeper
from probgen.targets.factors import Factors

__all__ = ["Blocked", "StateCounter", "open_sweeper"]


def open_sweeper(factors: Factors, device: str = "cpu") -> tuple[Sweeps, str]:
    """Native sweeps where they can be had, else torch; and a sentence for the user, or "".

    Tables of more than 255 states, other devices and machines without a compiler get torch.
    """
    if device != "cpu":
        return _in_torch(factors, device), ""
    if len(factors.cards) and int(factors.cards.max()) > MOST_STATES:
        return _in_torch(factors), (
            f"A variable has more than {MOST_STATES} states: sweeps ran in torch, slower than "
            "native ones."
        )
    try:
        return Sweeper(factors), ""
    except BuildError as error:
        return _in_torch(factors), f"Sweeps ran in torch, slower than native ones: {error}"


def _in_torch(factors: Factors, device: str = "cpu") -> Sweeps:
    # Importing torch takes seconds.
    from probgen.inference.graphical.sweeps.torch_sweeps import TorchSweeper

    return TorchSweeper(factors, device)


class Blocked:
    """Single-site sweeps over the variables outside blocks, then the blocks, by turns."""

    def __init__(
        self, single: Sweeps, blocks: BlockUpdates, members: np.ndarray, cards: np.ndarray
    ):
        self.name = single.name
        self.state_type = single.state_type
        self._single, self._blocks = single, blocks
        self._members = members
        self._others = np.setdiff1d(np.arange(len(cards)), members)
        self._counter = StateCounter(members, cards)
        self._block_updates = 0

    @property
    def update_count(self) -> int:
        """Updates of variables so far, those within blocks included."""
        return self._single.update_count + self._block_updates

    def sweep(
        self,
        states: np.ndarray,
        key: int,
        first_sweep: int,
        sweeps: int,
        *,
        first_chain: int = 0,
        subset: np.ndarray | None = None,
        threads: int = 1,
        counts: np.ndarray | None = None,
        draws: np.ndarray | None = None,
        thin: int = 1,
    ) -> None:
        """As `Sweeper.sweep`; `subset` narrows the single sites."""
        others = self._others if subset is None else np.intersect1d(self._others, subset)
        for s in range(sweeps):
            number = first_sweep + s
            self._single.sweep(
                states, key, number, 1, first_chain=first_chain, subset=others,
                threads=threads, counts=counts,
            )  # fmt: skip
            self._blocks.sweep(states, key, number, first_chain=first_chain, threads=threads)
            self._block_updates += len(self._members) * states.shape[1]
            if counts is not None:
                self._counter.add(states, counts)
            if draws is not None and (s + 1) % thin == 0:
                draws[(s + 1) // thin - 1] = states


class StateCounter:
    """Counts the states that some variables are in, chain by chain."""

    def __init__(self, members: np.ndarray, cards: np.ndarray):
        self._members = np.ascontiguousarray(members, dtype=np.int32)
        self._offsets = state_offsets(cards)
        self._cards = cards
        try:
            self._library: ctypes.CDLL | None = sweep_library()
        except BuildError:
            self._library = None

    def add(self, states: np.ndarray, counts: np.ndarray) -> None:
        """Add one to `counts` (all states, chain) for each member in `states`."""
        if self._library is not None and states.dtype == np.uint8:
            self._library.probgen_count_states(
                states.ctypes.data, states.shape[1], self._members.ctypes.data,
                len(self._members), self._offsets.ctypes.data, counts.ctypes.data,
            )  # fmt: skip
            return
        for v in self._members:
            for k in range(int(self._cards[v])):
                counts[self._offsets[v] + k] += states[v] == k
