"""How widely draws are spread, against rows of data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from probgen.errors import OptionError

__all__ = ["Yardstick", "occupied_modes"]

_NEIGHBOURS = 5
_OF_EVEN = 0.1
"""Share of an even share of the draws from which on a mode counts as there."""


class Yardstick:
    """Rows of data, (row, ...), that draws are measured against; NaN are missing."""

    def __init__(self, rows: Tensor) -> None:
        self.rows = _flat(rows)
        self._variance = _variance(self.rows)
        self._radii: Tensor | None = None
        if len(self.rows) > _NEIGHBOURS and not self.rows.isnan().any():
            near = torch.cdist(self.rows, self.rows).sort(1).values
            self._radii = near[:, _NEIGHBOURS]  # the row itself is its own nearest
            if not bool((self._radii > 0).all()):  # rows that are alike: no neighbourhoods
                self._radii = None

    def measure(self, draws: Tensor) -> dict[str, float]:
        """`spread`, and `coverage` where the rows have neighbourhoods; see `Watch`."""
        draws = _flat(draws)
        found = {}
        if self._variance > 0:
            found["spread"] = _variance(draws) / self._variance
        if self._radii is not None and not draws.isnan().any():
            nearest = torch.cdist(self.rows, draws).min(1).values
            found["coverage"] = float((nearest < self._radii).double().mean())
        return found


def occupied_modes(draws: Tensor, modes: Tensor | Callable[[Tensor], Any]) -> int:
    """How many modes have a tenth, or more, of an even share of the draws.

    Raises `OptionError` for modes of another width than the draws.
    """
    if callable(modes):
        labels = torch.as_tensor(modes(draws)).flatten().long()
        count = int(labels.unique().numel())
    else:
        centres, flat = _flat(torch.as_tensor(modes)), _flat(draws)
        if centres.shape[1] != flat.shape[1]:
            raise OptionError(
                f"Watch(modes=...): modes have {centres.shape[1]} numbers each, and draws "
                f"{flat.shape[1]}."
            )
        labels, count = torch.cdist(flat, centres).argmin(1), len(centres)
    held = labels.unique(return_counts=True)[1]
    return int((held >= max(1.0, _OF_EVEN * len(labels) / max(count, 1))).sum())


def _flat(values: Tensor) -> Tensor:
    return values.detach().cpu().double().reshape(len(values), -1)


def _variance(rows: Tensor) -> float:
    """The sum of the variances of all columns; missing entries are left out."""
    centred = (rows - rows.nanmean(0)).square()
    known = (~centred.isnan()).sum(0)
    return float((centred.nansum(0) / (known - 1).clamp(min=1)).sum())
