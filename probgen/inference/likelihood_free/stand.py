"""Where the populations of SMC-ABC stand: what is finished, and what is being made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from probgen.inference.likelihood_free.population import Population

__all__ = ["Stand"]

_COUNTS = ("tried", "batches", "made")
_HISTORY = {"epsilons": float, "rates": float, "sizes": float, "costs": int}


@dataclass(frozen=True)
class Stand:
    """A state between two batches of simulations."""

    current: tuple[Population, ...] = ()
    """The latest finished population of every chain."""
    found: tuple[Population, ...] = ()
    """The next one of the first chains."""
    partial: Population | None = None
    """What is there of that of the chain after these, ..."""
    tried: int = 0
    """... of so many simulations, ..."""
    batches: int = 0
    """... in so many batches."""
    made: int = 0
    """Simulations of all populations and chains."""
    epsilons: tuple[float, ...] = ()
    """Tolerances of the finished populations, from infinity, the prior."""
    rates: tuple[float, ...] = ()
    sizes: tuple[float, ...] = ()
    costs: tuple[int, ...] = ()
    """Their shares of accepted simulations, effective sizes, and simulations."""

    @property
    def inside(self) -> bool:
        """Whether a population has been begun."""
        return bool(self.found) or self.partial is not None

    def finished(self, epsilon: float, accepted: int) -> Stand:
        """All chains are through with the tolerance `epsilon`."""
        cost = self.made - sum(self.costs)
        return replace(
            self,
            current=self.found,
            found=(),
            epsilons=(*self.epsilons, epsilon),
            rates=(*self.rates, accepted / cost),
            sizes=(*self.sizes, sum(population.effective for population in self.found)),
            costs=(*self.costs, cost),
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it by name, as a store keeps it."""
        found = {name: np.array(getattr(self, name)) for name in _COUNTS}
        found |= {n: np.array(getattr(self, n), kind) for n, kind in _HISTORY.items()}
        for name, populations in (("current", self.current), ("found", self.found)):
            for number, population in enumerate(populations):
                found |= population.arrays(f"{name}:{number}:")
        return found | ({} if self.partial is None else self.partial.arrays("partial:"))

    @staticmethod
    def restored(arrays: Mapping[str, np.ndarray]) -> Stand:
        """What `arrays` made."""

        def populations(name: str) -> tuple[Population, ...]:
            found: list[Population] = []
            while population := Population.restored(arrays, f"{name}:{len(found)}:"):
                found.append(population)
            return tuple(found)

        found: dict[str, Any] = {name: int(arrays[name]) for name in _COUNTS}
        found |= {name: tuple(arrays[name].tolist()) for name in _HISTORY}
        partial = Population.restored(arrays, "partial:")
        return Stand(populations("current"), populations("found"), partial, **found)
