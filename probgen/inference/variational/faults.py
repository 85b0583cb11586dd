"""Draws of a guide at which the density or its gradient is not finite, and who is at fault."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from probgen.errors import SamplingError

__all__ = ["Faults"]

PATIENCE = 20
"""Steps in a row without a finite density before training is given up."""
LARGEST = 1e100
"""Gradients beyond it would overflow when they are squared."""
_NOTED = 0.01
"""Share of draws from which on a note says so."""
_NAMED = 3


class Faults:
    """Leaves draws without a density out of their step, and counts them by coordinate."""

    def __init__(self, names: list[str]) -> None:
        """`names` of the coordinates."""
        self.names = names
        self.blame = torch.zeros(len(names), dtype=torch.float64)
        self.draws = self.seen = 0
        self.first: int | None = None
        self.in_a_row = 0
        self.skipped = 0

    @property
    def caution(self) -> float:
        """What learning rates are multiplied by: a half for every step that found nothing."""
        return 0.5 ** min(self.skipped, 30)

    def look(self, z: Tensor, values: Tensor, gradients: Tensor, step: int) -> Tensor | None:
        """Which draws (count,) are good; None if all are, as is usual.

        Raises `SamplingError` after `PATIENCE` steps in a row without any.
        """
        self.seen += len(values)
        fine = torch.isfinite(values.sum()) & (gradients.abs().amax() < LARGEST)
        if fine:
            self.in_a_row = 0
            return None
        usable = (gradients.abs() < LARGEST) & torch.isfinite(values)[:, None]
        good = usable.all(1)
        if good.all():  # only their sum was too large
            self.in_a_row = 0
            return None
        self.first = step if self.first is None else self.first
        self.draws += int((~good).sum())
        self.blame += self._blame(z, gradients, good)
        self.in_a_row = 0 if good.any() else self.in_a_row + 1
        self.skipped += not good.any()
        if self.in_a_row >= PATIENCE:
            raise SamplingError(
                f"Training cannot go on: the log density or its gradient was not finite at any "
                f"of {len(values)} draws of the guide, {PATIENCE} steps in a row by step "
                f"{step + 1}; at fault is mostly {self.worst}. Lower the learning rate, start "
                "from init='map', or look at these sites' supports with `check`."
            )
        return good

    @property
    def worst(self) -> str:
        """The coordinates that are blamed most."""
        order = self.blame.argsort(descending=True)[:_NAMED].tolist()
        most = float(self.blame.max())
        return ", ".join(self.names[i] for i in order if self.blame[i] >= 0.5 * most)

    def notes(self, steps: int) -> list[str]:
        """What the user should know of it after so many steps."""
        if self.first is None or self.draws < _NOTED * self.seen:
            return []
        return [
            f"The log density was not finite at {self.draws} of {self.seen} draws during "
            f"training (first at step {self.first + 1} of {steps}, mostly through {self.worst}); "
            "they were left out. The guide reaches beyond the support, or where the density "
            "overflows."
        ]

    def state(self) -> np.ndarray:
        """Its counts as numbers."""
        first = -1 if self.first is None else self.first
        counts = [self.draws, self.seen, first, self.in_a_row, self.skipped]
        return np.concatenate([counts, self.blame.numpy()])

    def load_state(self, state: np.ndarray) -> None:
        """Go on from what `state` gave."""
        self.draws, self.seen, first, self.in_a_row, self.skipped = (int(n) for n in state[:5])
        self.first = None if first < 0 else first
        self.blame = torch.from_numpy(state[5:].copy())

    def _blame(self, z: Tensor, gradients: Tensor, good: Tensor) -> Tensor:
        """Coordinates whose gradients failed; if all are fine, those furthest from the others."""
        wrong = ~(gradients[~good].abs() < LARGEST)
        if wrong.any() and not wrong.all():
            return wrong.double().sum(0)
        centre, scale = z.detach().median(0).values, z.detach().std(0) + 1e-12
        away = (z.detach()[~good] - centre).abs().mean(0) / scale
        return (away == away.max()).double() * float((~good).sum())
