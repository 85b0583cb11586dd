"""Plain sentences about what went wrong in a run, naming the coordinate at fault.

They are kept in `summary["notes"]`. A run in which no chain ever moved has no result, and is
an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from probgen.errors import SamplingError
from probgen.inference.method import Draws

__all__ = ["Seen", "notes_of", "notes_on", "seen_in", "seen_of"]

RUNAWAY = 1e8
"""Unconstrained values beyond this are taken for a chain that runs away."""
ENOUGH_DRAWS = 10
"""Fewer equal draws than this prove nothing."""
_READ = 1 << 20
"""Values of a store that are looked at together."""


class Seen:
    """What the notes are made of, gathered from the draws piece by piece."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.draws = 0

    def add(self, draws: np.ndarray, stats: Mapping[str, np.ndarray]) -> None:
        """Take in the next `draws` (chain, draw, dim) and their statistics (chain, draw)."""
        if draws.size == 0:
            return
        lp, chains = stats["lp"], len(draws)
        low, high = draws.min(axis=(0, 1)), draws.max(axis=(0, 1))
        if self.draws == 0:
            self.first = draws[:, 0].copy()
            self.moved, self.diverging = np.zeros(chains, dtype=bool), np.zeros(chains)
            self.low, self.high, self.lp_low, self.lp_high = low, high, lp.min(), lp.max()
        self.draws += draws.shape[1]
        for chain in np.flatnonzero(~self.moved):
            self.moved[chain] = (draws[chain] != self.first[chain]).any()
        if "diverging" in stats:
            self.diverging += stats["diverging"].sum(axis=1)
        self.low, self.high = np.minimum(self.low, low), np.maximum(self.high, high)
        self.lp_low, self.lp_high = min(self.lp_low, lp.min()), max(self.lp_high, lp.max())


def seen_of(result: Draws) -> Seen:
    """All draws of `result` at once."""
    seen = Seen()
    seen.add(result.unconstrained, result.stats)
    return seen


def seen_in(tree: xr.DataTree, sites: Sequence[str]) -> Seen:
    """The draws that a store holds already, a part at a time; `sites` in the density's order."""
    seen = Seen()
    if not {"unconstrained_posterior", "sample_stats"} <= tree.children.keys():
        return seen
    draws, stats = (tree[n].to_dataset() for n in ("unconstrained_posterior", "sample_stats"))
    if "lp" not in stats or not set(sites) <= set(draws):
        return seen
    per_draw = sum(draws[name][:, 0].size for name in sites) if draws.sizes["draw"] else 1
    step = max(1, _READ // max(per_draw, 1))
    for first in range(0, draws.sizes["draw"], step):
        part = {"draw": slice(first, first + step)}
        values = [draws[name].isel(part).values for name in sites]
        flat = [v.reshape(*v.shape[:2], -1) for v in values]
        told = {n: stats[n].isel(part).values for n in ("lp", "diverging") if n in stats}
        seen.add(np.concatenate(flat, axis=2), told)
    return seen


def notes_on(result: Draws, names: list[str]) -> list[str]:
    """Sentences on stuck and runaway chains; raises `SamplingError` when no chain moved."""
    return notes_of(seen_of(result), names)


def notes_of(seen: Seen, names: list[str]) -> list[str]:
    """The same of draws that need not be there any more."""
    if seen.draws == 0:
        return []
    runaway = _runaway(seen, names)
    # Far out, moves round away: a chain that ran away must not be reported as stuck.
    return [*(runaway or _stuck(seen)), *_flat(seen)]


def _stuck(seen: Seen) -> list[str]:
    if seen.draws < ENOUGH_DRAWS:
        return []
    stuck = np.flatnonzero(~seen.moved)
    if stuck.size == 0:
        return []
    diverging = seen.diverging[stuck].mean() / seen.draws
    reason = (
        "every trajectory met a non-finite or hugely wrong energy"
        if diverging > 0.5
        else "every proposal was rejected"
    )
    cure = (
        "Check the log density around the start (`check`), start elsewhere (init), or give more "
        "warm-up."
    )
    if stuck.size == len(seen.moved):
        raise SamplingError(f"No chain ever moved: {reason}. {cure}")
    chains = f"Chain{'s' * (stuck.size > 1)} {', '.join(map(str, stuck))}"
    return [f"{chains} never moved: {reason}. {cure}"]


def _runaway(seen: Seen, names: list[str]) -> list[str]:
    extreme = np.maximum(seen.high, -seen.low)
    worst = int(np.argmax(extreme))
    if extreme[worst] <= RUNAWAY:
        return []
    return [
        f"{names[worst]} reached {extreme[worst]:.1e} on the unconstrained scale: the posterior "
        "may be improper there (no finite mass), so the draws mean nothing. Give it a proper "
        "prior; if values so large are right, rescale the data."
    ]


def _flat(seen: Seen) -> list[str]:
    if seen.draws < ENOUGH_DRAWS:
        return []
    if seen.lp_high > seen.lp_low or not seen.high.max() > seen.low.min():
        return []
    return [
        "The log density is the same at every draw: it does not depend on the latent sites, so "
        "the posterior is flat and improper. Check that the sites reach the likelihood."
    ]
