"""What walkers write. Their warm-up is handed over in one piece: what it learns from is large."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from probgen.inference.batched.record import Record
from probgen.inference.method import Plan
from probgen.inference.pieces import Stretch
from probgen.results.store.state import KernelState

__all__ = ["WalkersRecord"]

_MORE: dict[str, type] = {"flow_acceptance": float, "flow_accepted": bool}


class WalkersRecord(Record):
    """A record with the acceptance of the flow's proposals, whose states lie after the warm-up."""

    def __init__(self, plan: Plan, dim: int) -> None:
        """As `Record`."""
        super().__init__(plan, dim, _MORE)
        self._warm: list[tuple[np.ndarray, np.ndarray]] = []

    def deliver(self, stretch: Stretch, state: KernelState) -> None:
        """Hand a finished stretch to `Plan.keep`, one of the warm-up only when that is over."""
        if self.plan.keep is None or stretch.first >= self.plan.warmup:
            super().deliver(stretch, state)
            return
        draws, stats = stretch.rows
        self._warm.append((draws.copy(), stats.copy()))
        if stretch.end < self.plan.warmup:
            self._stretches.give_back(stretch)
            return
        whole, columns = (np.concatenate(part, axis=1) for part in zip(*self._warm, strict=True))
        self._warm = []
        joined = replace(
            stretch, first=0, count=self.plan.warmup, warmup_draws=whole, warmup_stats=columns
        )
        super().deliver(joined, state)
