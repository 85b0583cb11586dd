"""What is to be said of ladders of parallel tempering: swap rates, round trips, warnings."""

from __future__ import annotations

from typing import Any

import numpy as np

from probgen.inference.graphical.tempering.positions import expected_round_trips

__all__ = ["ladder_summary"]

_FEW_TRIPS = 20
"""Round trips, of all ladders, below which a run is not to be trusted."""
_RARE_SWAPS = 0.1


def ladder_summary(
    positions: np.ndarray, acceptance: np.ndarray, trips: np.ndarray, done: int, ladders: int
) -> tuple[dict[str, Any], list[str]]:
    """Attributes of a run of `done` iterations, and sentences for the user.

    `acceptance` are mean swap rates between neighbouring `positions`, `trips` the round trips of
    each ladder.
    """
    made, notes = int(trips.sum()), []
    found = {
        "levels": len(positions),
        "positions": positions.tolist(),
        "swap_acceptance": acceptance.tolist(),
        "barrier": float((1 - acceptance).sum()),
        "round_trips": made,
        "round_trips_at_best": expected_round_trips(1 - acceptance, done) * ladders,
    }
    if done and made < _FEW_TRIPS:
        notes.append(
            f"The {ladders} ladders made {made} round trips in all: hardly any state came "
            "from the independent level to the target, so what the draws show may depend on "
            "where they started. Take more draws, or more sweeps."
        )
    if acceptance.size and acceptance.min() < _RARE_SWAPS:
        pair = int(acceptance.argmin())
        notes.append(
            f"Levels {pair} and {pair + 1} swap in {100 * acceptance[pair]:.1f}% of the tries: "
            "take more levels."
        )
    return found, notes
