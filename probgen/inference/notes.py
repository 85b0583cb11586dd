"""Plain sentences about what went wrong in a run, naming the coordinate at fault.

They are kept in `summary["notes"]`. A run in which no chain ever moved has no result, and is
an error.
"""

from __future__ import annotations

import numpy as np

from probgen.errors import SamplingError
from probgen.inference.method import Draws

__all__ = ["notes_on"]

RUNAWAY = 1e8
"""Unconstrained values beyond this are taken for a chain that runs away."""
ENOUGH_DRAWS = 10
"""Fewer equal draws than this prove nothing."""


def notes_on(result: Draws, names: list[str]) -> list[str]:
    """Sentences on stuck and runaway chains; raises `SamplingError` when no chain moved."""
    runaway = _runaway(result.unconstrained, names)
    # Far out, moves round away: a chain that ran away must not be reported as stuck.
    return [*(runaway or _stuck(result)), *_flat(result)]


def _stuck(result: Draws) -> list[str]:
    draws = result.unconstrained
    if draws.shape[1] < ENOUGH_DRAWS:
        return []
    stuck = np.flatnonzero((draws == draws[:, :1]).all(axis=(1, 2)))
    if stuck.size == 0:
        return []
    diverging = result.stats.get("diverging", np.zeros(draws.shape[:2]))[stuck].mean()
    reason = (
        "every trajectory met a non-finite or hugely wrong energy"
        if diverging > 0.5
        else "every proposal was rejected"
    )
    cure = (
        "Check the log density around the start (`check`), start elsewhere (init), or give more "
        "warm-up."
    )
    if stuck.size == draws.shape[0]:
        raise SamplingError(f"No chain ever moved: {reason}. {cure}")
    chains = f"Chain{'s' * (stuck.size > 1)} {', '.join(map(str, stuck))}"
    return [f"{chains} never moved: {reason}. {cure}"]


def _runaway(draws: np.ndarray, names: list[str]) -> list[str]:
    if draws.size == 0:
        return []
    extreme = np.maximum(draws.max(axis=(0, 1)), -draws.min(axis=(0, 1)))
    worst = int(np.argmax(extreme))
    if extreme[worst] <= RUNAWAY:
        return []
    return [
        f"{names[worst]} reached {extreme[worst]:.1e} on the unconstrained scale: the posterior "
        "may be improper there (no finite mass), so the draws mean nothing. Give it a proper "
        "prior; if values so large are right, rescale the data."
    ]


def _flat(result: Draws) -> list[str]:
    lp = result.stats["lp"]
    if lp.size < ENOUGH_DRAWS or result.unconstrained.shape[1] < ENOUGH_DRAWS:
        return []
    if np.ptp(lp) > 0 or not np.ptp(result.unconstrained) > 0:
        return []
    return [
        "The log density is the same at every draw: it does not depend on the latent sites, so "
        "the posterior is flat and improper. Check that the sites reach the likelihood."
    ]
