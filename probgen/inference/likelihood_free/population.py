"""Accepted simulations: values, distances and weights of one row each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from probgen.inference.likelihood_free.simulator import Simulations

__all__ = ["Outcome", "Population", "joined"]

_VALUE = "value:"


@dataclass(frozen=True)
class Population:
    """Rows of simulations whose data were near enough."""

    values: Mapping[str, np.ndarray]
    """By site, and of moved sites on the unconstrained scale, too."""
    distance: np.ndarray
    log_weight: np.ndarray
    """Log weights (nats), up to a constant."""

    def __len__(self) -> int:
        return len(self.distance)

    def rows(self, chosen: np.ndarray) -> Population:
        """Some of the rows."""
        values = {name: value[chosen] for name, value in self.values.items()}
        return Population(values, self.distance[chosen], self.log_weight[chosen])

    @property
    def weight(self) -> np.ndarray:
        """Weights, which sum to 1."""
        weight = np.exp(self.log_weight - self.log_weight.max())
        return weight / weight.sum()

    @property
    def effective(self) -> float:
        """1 / sum of squared weights: equally weighted rows that would be worth as much."""
        return float(1 / np.square(self.weight).sum())

    @staticmethod
    def of(simulations: Simulations, distance: np.ndarray) -> Population:
        """Equally weighted rows."""
        return Population(simulations.values, distance, np.zeros(len(distance)))

    def arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """All of it by name, as a store keeps it."""
        values = {f"{prefix}{_VALUE}{name}": value for name, value in self.values.items()}
        own = {f"{prefix}distance": self.distance, f"{prefix}log_weight": self.log_weight}
        return {**values, **own}

    @staticmethod
    def restored(arrays: Mapping[str, np.ndarray], prefix: str) -> Population | None:
        """What `arrays` made; None where there is nothing by that prefix."""
        if f"{prefix}distance" not in arrays:
            return None
        start = f"{prefix}{_VALUE}"
        values = {n.removeprefix(start): v for n, v in arrays.items() if n.startswith(start)}
        return Population(values, arrays[f"{prefix}distance"], arrays[f"{prefix}log_weight"])


def joined(parts: Sequence[Population | None]) -> Population:
    """Rows of all of them, one after another; None has no rows, and one of them must have."""
    some = [part for part in parts if part is not None]
    names = some[0].values
    values = {name: np.concatenate([part.values[name] for part in some]) for name in names}
    distance = np.concatenate([part.distance for part in some])
    return Population(values, distance, np.concatenate([part.log_weight for part in some]))


@dataclass(frozen=True)
class Outcome:
    """What a method has found: draws of every chain, and how they came about."""

    values: Mapping[str, np.ndarray]
    """By site, (chain, draw, ...): draws of equal weight."""
    distance: np.ndarray
    """Of the data simulated with every draw, (chain, draw)."""
    weight: np.ndarray
    """What every draw had before resampling, (chain, draw)."""
    epsilon: float
    """The tolerance reached: the largest distance that was accepted."""
    simulations: int
    """Made so far, but for those that gave the scales of summaries."""
    effective: list[float]
    """Effective number of independent draws by their weights, of every chain."""
    history: dict[str, np.ndarray] = field(default_factory=dict)
    """By population: `epsilon`, `acceptance_rate`, `effective_size`, `simulations`."""
    notes: list[str] = field(default_factory=list)
