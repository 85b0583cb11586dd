"""What makes sweeps, as those who ask for them see it."""

from __future__ import annotations

from typing import Protocol

import numpy as np

__all__ = ["BlockUpdates", "Sweeps"]


class Sweeps(Protocol):
    """What `Gibbs` asks of an engine; `Sweeper.sweep` tells what the arguments mean."""

    @property
    def name(self) -> str:
        """What the summary calls it."""

    @property
    def update_count(self) -> int:
        """Updates of variables so far."""

    @property
    def state_type(self) -> type:
        """Of the states: uint8, or uint16 for many states."""

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
        """Make sweeps in place."""


class BlockUpdates(Protocol):
    """Updates blocks of variables jointly; `probgen.inference.graphical.blocks.sampler`."""

    def sweep(
        self,
        states: np.ndarray,
        key: int,
        sweep_index: int,
        *,
        first_chain: int = 0,
        threads: int = 1,
    ) -> None:
        """Update every block once, in place."""
