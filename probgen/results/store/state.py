"""Where a run stands: all that its next transition depends on, and the draws made up to there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

__all__ = ["KernelState", "Piece"]


@dataclass(frozen=True, eq=False)
class KernelState:
    """The state of all chains after the same number of transitions.

    Two states are equal when every array has the same bits. Arrays have one row per chain.
    """

    iteration: int
    """Transitions made by every chain, warm-up included."""
    position: np.ndarray
    """(chain, dim) unconstrained, or states (chain, variable)."""
    rng: np.ndarray
    """(chain, words) uint64: the random number generators, or counters."""
    adaptation: Mapping[str, np.ndarray] = field(default_factory=dict)
    """All else that the next transition depends on, by name: step sizes, averages, metric, the
    history that shapes it, velocities, counts."""
    counters: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Totals so far that depend on the run alone (gradient evaluations, divergences), and
    seconds, which are not compared."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, KernelState):
            return NotImplemented
        return self.iteration == other.iteration and _same(self._arrays(), other._arrays())

    __hash__ = None  # type: ignore[assignment]

    def _arrays(self) -> dict[str, np.ndarray]:
        counted = {f"counters:{n}": v for n, v in self.counters.items() if "seconds" not in n}
        learnt = {f"adaptation:{n}": v for n, v in self.adaptation.items()}
        return {"position": self.position, "rng": self.rng, **learnt, **counted}


@dataclass(frozen=True)
class Piece:
    """Some successive draws of all chains, and where the run stands after them.

    The arrays are only borrowed: their memory is used again when `keep` returns.
    """

    first: int
    """Number of the first draw, counted from 0 after warm-up (or within it)."""
    warm: bool
    """Whether these are draws of the warm-up."""
    draws: np.ndarray
    """(chain, draw, dim) unconstrained, or states; no rows of a warm-up that is not kept."""
    stats: Mapping[str, np.ndarray]
    """(chain, draw) each."""
    state: KernelState


def _same(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> bool:
    return first.keys() == second.keys() and all(
        a.dtype == (b := second[name]).dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        for name, a in first.items()
    )
