"""What goes into one measured call and what is kept of it, the same for every tool."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Run:
    """The size of one call: every chain runs ``warmup`` and then ``draws`` iterations."""

    chains: int = 4
    warmup: int = 1000
    draws: int = 1000

    def __str__(self) -> str:
        return f"{self.chains} x ({self.warmup} + {self.draws})"


@dataclass(frozen=True)
class Outcome:
    """Draws by site, each (chain, draw, ...), and counts; ``None`` where a tool keeps no count."""

    draws: dict[str, np.ndarray]
    gradients_warmup: int | None
    gradients: int | None
    divergences: int
