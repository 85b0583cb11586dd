"""Pieces of an engine's run: about a second of work each, handed over as they are finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from probgen.errors import OptionError
from probgen.results.store.state import KernelState, Piece

__all__ = ["Pieces", "check_chains", "counter_words", "each_chain"]

PIECE_SECONDS = 1.0
MOST_PIECE_BYTES = 1 << 28
"""Of the draws of one piece, however fast they come."""


class Pieces:
    """Room for draws: those of the whole run when nobody keeps them, else those of one piece.

    Args:
        keep: `GraphPlan.keep`.
        first: number of the first draw that is still to be made.
        draws: of the whole run.
        draw_bytes: of one draw of all chains.

    Attributes `room`, `first` and `filled` count draws: for how many there is room, the number
    of the first one held, and how many are held.
    """

    def __init__(
        self, keep: Callable[[Piece], None] | None, first: int, draws: int, draw_bytes: int
    ):
        left = max(0, draws - first)
        most = left if keep is None else max(1, MOST_PIECE_BYTES // max(1, draw_bytes))
        self.room = min(left, most)
        self.first, self.filled = first, 0
        self._keep = keep
        self._handed = -1
        self._since = time.perf_counter()

    @property
    def free(self) -> int:
        """Draws for which there is still room."""
        return self.room - self.filled

    def due(self) -> bool:
        """Whether what is finished should be handed over now."""
        if self._keep is None:
            return False
        full = bool(self.filled) and not self.free
        return full or time.perf_counter() - self._since >= PIECE_SECONDS

    def hand_over(
        self,
        state: Callable[[], KernelState],
        draws: np.ndarray,
        stats: Callable[[], Mapping[str, np.ndarray]],
        warm_iteration: int | None = None,
    ) -> None:
        """Hand over what is held, unless it was before or nobody keeps it.

        Args:
            state: where the run stands.
            draws: (chain, draw, variable), the `filled` ones.
            stats: (chain, draw) each, of these draws.
            warm_iteration: transitions made, while the run is warming up.

        """
        if self._keep is None:
            return
        now = state()
        if now.iteration == self._handed:
            return
        first = self.first if warm_iteration is None else max(0, self._handed)
        piece = Piece(first, warm_iteration is not None, draws, stats(), now)
        # Before the call: an interrupt within it must not make the piece come twice.
        self.first += self.filled
        self.filled = 0
        self._handed = now.iteration
        self._keep(piece)
        self._since = time.perf_counter()

    def goes_on_from(self, iteration: int) -> None:
        """Say that what was made up to this iteration has been handed over already."""
        self._handed = iteration


def each_chain(values: Any, chains: int) -> np.ndarray:
    """What all chains share, as one row for each (a view)."""
    array = np.asarray(values)
    return np.broadcast_to(array, (chains, *array.shape))


def counter_words(key: int, iteration: int, chains: int) -> np.ndarray:
    """Random numbers of counters as a `KernelState.rng`: (chain, 3) of key, next one, chain."""
    words = np.empty((chains, 3), dtype=np.uint64)
    words[:, 0], words[:, 1] = key % 2**64, iteration
    words[:, 2] = np.arange(chains)
    return words


def check_chains(state: KernelState, chains: int, variables: int, key: int | None = None) -> None:
    """Raise `OptionError` for the state of another run: other chains, variables or seed."""
    if state.position.shape != (chains, variables):
        had = " x ".join(map(str, state.position.shape))
        raise OptionError(
            f"The state to go on from has {had} chains x variables, this run {chains} x "
            f"{variables}: go on with the chains, network and evidence that it was made with."
        )
    if key is not None and int(state.rng[0, 0]) != key % 2**64:
        raise OptionError(
            "The state to go on from was made with another seed: go on with the same one."
        )
