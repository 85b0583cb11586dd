"""How often every free unit was in every state, added up while chains run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from probgen.inference.boltzmann.layout import Layout
from probgen.inference.graphical.sweeps.streaming import StateCounts
from probgen.nets.boltzmann.units import Units
from probgen.results.marginals import Marginals

__all__ = ["UnitCounts", "counted"]

_MOST_SUMMED = 1 << 23  # sweeps that a float32 sum of zeros and ones counts exactly


class UnitCounts:
    """Counts of the free discrete units of all cases, case by case.

    Sums of states are kept where the states are; counts, batch by batch, follow from them:
    those of a state of a variable from the numbers in `columns` of the states of all cases side
    by side, or, where `complement` says so, from what they lack to the number of sweeps.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._variables = self.variables_of(layout)
        ends = np.cumsum([0, *(units.width for _, units in layout.sites)])
        starts = {u.name: int(end) for (_, u), end in zip(layout.sites, ends, strict=False)}
        cards: list[int] = []
        columns: list[int] = []
        complement: list[bool] = []
        for units, case, unit in self._variables:
            each = units.width // units.size
            first = case * int(ends[-1]) + starts[units.name] + unit * each
            cards.append(units.states)
            columns += [first, first] if each == 1 else range(first, first + each)
            complement += [each == 1, *[False] * (units.states - 1)]
        self.columns = np.array(columns, dtype=np.int64)
        self.complement = np.array(complement, dtype=bool)
        self.counts = StateCounts(np.array(cards, dtype=np.int64), layout.chains)
        self._sums: list[Tensor] = []
        self._open = 0

    @staticmethod
    def variables_of(
        layout: Layout, sites: Sequence[Units] | None = None
    ) -> list[tuple[Units, int, int]]:
        """The variables, of some sites or all: site, case, unit."""
        return [
            (units, case, unit)
            for case in range(layout.cases)
            for _, units in layout.sites
            if units.discrete and (sites is None or units in sites)
            for unit in np.flatnonzero(layout.free(units)[case]).tolist()
        ]

    def add(self, states: Sequence[Tensor]) -> None:
        """Count the states of all rows once."""
        if not self._variables:
            return
        if not self._sums:
            self._sums = [torch.zeros_like(state, dtype=torch.float32) for state in states]
        for total, state in zip(self._sums, states, strict=True):
            total += state
        self._open += 1
        if self._open == _MOST_SUMMED:
            self._flush()

    def close(self) -> None:
        """End a batch and begin the next."""
        self._flush()
        self.counts.close()

    def arrays(self) -> dict[str, np.ndarray]:
        """As of `StateCounts`."""
        self._flush()
        return self.counts.arrays()

    def restore(self, arrays: Mapping[str, np.ndarray], ends: Sequence[int]) -> None:
        """As of `StateCounts`."""
        self.counts.restore(arrays, ends)

    def marginals(self) -> Marginals:
        """Probabilities of all states with errors, R-hat and ESS; see `StateCounts`."""
        return self.counts.marginals()

    def _flush(self) -> None:
        if not self._open:
            return
        sums = torch.cat(self._sums, -1).cpu().numpy().reshape(self._layout.chains, -1).T
        ones = sums[self.columns].astype(np.uint32)
        self.counts.counts += np.where(
            self.complement[:, None], np.uint32(self._open) - ones, ones
        )
        self.counts.open_sweeps += self._open
        for total in self._sums:
            total.zero_()
        self._open = 0


def counted(layout: Layout, posterior: xr.Dataset) -> Marginals:
    """Marginals of the kept discrete units, of draws that are there already."""
    variables = UnitCounts.variables_of(layout, layout.kept)
    cards = np.array([units.states for units, _, _ in variables], dtype=np.int64)
    counts = StateCounts(cards, layout.chains)
    draws = posterior.sizes["draw"]
    edges = np.linspace(0, draws, counts.batches(layout.chains, draws) + 1).astype(int)
    for first, last in pairwise(edges.tolist()):
        part = {
            units.name: posterior[units.name].isel(draw=slice(first, last)).values
            for units in layout.kept
        }
        for row, (units, case, unit) in zip(counts.offsets, variables, strict=False):
            drawn = part[units.name][..., unit]
            drawn = drawn[..., case] if layout.evidence.batched else drawn
            for state in range(units.states):
                counts.counts[row + state] = (drawn == state).sum(1)
        counts.open_sweeps = last - first
        counts.close()
    return counts.marginals()
