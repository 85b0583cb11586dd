"""Accepted simulations: values, distances and weights of one row each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from probgen.inference.likelihood_free.simulator import Simulations

__all__ = ["Outcome", "Population", "joined"]


@dataclass(frozen=True)
class Population:
    """Rows of simulations whose data were near enough."""

    values: Mapping[str, np.ndarray]
    """By site, and of moved sites on the unconstrained scale, too."""
    distance: np.ndarray
    weight: np.ndarray
    """Sums to 1."""

    def __len__(self) -> int:
        return len(self.distance)

    def rows(self, chosen: np.ndarray) -> Population:
        """Some of the rows, with their weights as they are."""
        values = {name: value[chosen] for name, value in self.values.items()}
        return Population(values, self.distance[chosen], self.weight[chosen])

    @property
    def effective(self) -> float:
        """1 / sum of squared weights: equally weighted rows that would be worth as much."""
        return float(1 / np.square(self.weight).sum())

    @staticmethod
    def of(simulations: Simulations, distance: np.ndarray) -> Population:
        """Equally weighted rows."""
        return Population(simulations.values, distance, np.full(len(distance), 1 / len(distance)))


def joined(parts: Sequence[Population]) -> Population:
    """Rows of all of them, one after another, equally weighted."""
    names = parts[0].values
    values = {name: np.concatenate([part.values[name] for part in parts]) for name in names}
    distance = np.concatenate([part.distance for part in parts])
    return Population(values, distance, np.full(len(distance), 1 / max(len(distance), 1)))


@dataclass
class Outcome:
    """What a method hands back: draws of every chain, and how they came about."""

    chains: list[Population]
    """As many rows each, which are draws of equal weight; `weight` is what they had before."""
    epsilon: float
    """The tolerance reached: the largest distance that was accepted."""
    simulations: int
    effective: list[float]
    """Effective number of independent draws by their weights, of every chain."""
    history: dict[str, np.ndarray] = field(default_factory=dict)
    """By population: `epsilon`, `acceptance_rate`, `effective_size`, `simulations`."""
    interrupted: bool = False
    notes: list[str] = field(default_factory=list)
