"""The metric that all chains share: a diagonal, stretched along a few directions.

Learnt from all chains together. Early on, while they still travel, variances are balanced
against those of gradients, which are exact for a normal posterior wherever the chains are;
later they are the draws' own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from probgen.inference.adapt.directions import find_directions
from probgen.inference.adapt.settings import Settings, make_settings
from probgen.inference.batched.ensemble import Ensemble
from probgen.inference.batched.ledger import Ledger
from probgen.inference.snapshot import refuse

__all__ = ["Metric", "Spread", "first_metric"]

SMALLEST, LARGEST = 1e-10, 1e10
PRIOR_DRAWS = 5.0
MOST_DRAWS = 256
"""Draws that directions are found from; chains being independent, fewer than one chain needs."""


@dataclass(frozen=True)
class Metric:
    """A change of coordinates under which the posterior should look standard normal.

    `scale` (dim,) is the diagonal; orthonormal `directions` (k, dim) of the scaled space have
    standard deviations 1 + `longer` (k,).
    """

    scale: torch.Tensor
    directions: torch.Tensor
    longer: torch.Tensor

    @classmethod
    def diagonal(cls, scale: torch.Tensor) -> Metric:
        """Without directions."""
        return cls(scale, scale.new_zeros((0, len(scale))), scale.new_zeros(0))

    def visit(self, ledger: Ledger, most: int) -> Metric:
        """Note it, or the one that was noted; there is room for `most` directions."""
        scale, rank = self.scale, _Number(len(self.longer))
        ledger.numbers(rank, ("value",), "metric_rank_")
        if not 0 <= rank.value <= most:
            refuse("metric_rank_value", f"it is not from 0 to {most}")
        room, longer = scale.new_zeros((most, len(scale))), scale.new_zeros(most)
        room[: len(self.longer)], longer[: len(self.longer)] = self.directions, self.longer
        return Metric(
            ledger.shared("scale", scale, scale),
            ledger.shared("directions", room, room)[: rank.value],
            ledger.shared("longer", longer, longer)[: rank.value],
        )

    def velocity(self, momentum: torch.Tensor) -> torch.Tensor:
        """Rates of change of positions (chain, dim) under whitened momenta."""
        return self.scale * self._stretched(momentum, self.longer)

    def force(self, gradient: torch.Tensor) -> torch.Tensor:
        """Gradients (chain, dim) as seen from the whitened space."""
        return self._stretched(self.scale * gradient, self.longer)

    def whitened(self, position: torch.Tensor) -> torch.Tensor:
        """Positions (chain, dim) in the whitened space."""
        return self._stretched(position / self.scale, -self.longer / (1 + self.longer))

    def log_volume(self) -> float:
        """Mean logarithm of the standard deviations."""
        total = self.scale.log().sum() + torch.log1p(self.longer).sum()
        return float(total) / len(self.scale)

    def _stretched(self, x: torch.Tensor, longer: torch.Tensor) -> torch.Tensor:
        if not len(longer):
            return x
        return x + ((x @ self.directions.T) * longer) @ self.directions


class Spread:
    """What is seen of positions and gradients, over chains and iterations."""

    def __init__(self, dim: int, directions: int) -> None:
        """`directions` is how many a metric may have; with 0 no draws are kept."""
        self.count = 0
        self._positions, self._gradients = _Moments(), _Moments()
        self._settings: Settings = make_settings("low_rank", dim=dim, max_directions=directions)
        self._recent: list[Ensemble] = []

    def visit(self, ledger: Ledger, like: Ensemble) -> None:
        """Note it, or take it back; `like` is where chains are."""
        ledger.numbers(self, ("count",), "spread_")
        self._positions.visit(ledger, "spread_positions_", like.position[0])
        self._gradients.visit(ledger, "spread_gradients_", like.position[0])
        if not self._settings.max_directions:
            return
        chains, dim = like.position.shape
        seen = _Number(len(self._recent))
        ledger.numbers(seen, ("value",), "spread_recent_")
        past = []
        for name in ("position", "gradient"):
            room = like.position.new_zeros((chains, self._most(chains), dim))
            for age, ensemble in enumerate(self._recent):
                room[:, age] = getattr(ensemble, name)
            past.append(ledger.rows(f"spread_recent_{name}", room))
        self._recent = [  # the log densities there are not looked at
            Ensemble(past[0][:, age], past[1][:, age], like.log_density)
            for age in range(min(seen.value, self._most(chains)))
        ]

    @staticmethod
    def _most(chains: int) -> int:
        return max(1, -(-MOST_DRAWS // chains))

    def update(self, ensemble: Ensemble) -> None:
        """Add where all chains are."""
        chains = len(ensemble.position)
        self.count += chains
        self._positions.update(ensemble.position)
        self._gradients.update(ensemble.gradient)
        if self._settings.max_directions:
            self._recent = [*self._recent, ensemble][-self._most(chains) :]

    def metric(self, by_gradient: bool) -> Metric:
        """The metric of what was seen; its diagonal balanced with gradients, or the draws' own."""
        diagonal = Metric.diagonal(self._scale(by_gradient))
        return self._with_directions(diagonal) if self._recent else diagonal

    def _scale(self, by_gradient: bool) -> torch.Tensor:
        variance = self._positions.variance
        balanced = (variance / self._gradients.variance).sqrt()
        if by_gradient:
            return _usable(balanced).sqrt()
        shrunk = (self.count * variance + PRIOR_DRAWS * balanced) / (self.count + PRIOR_DRAWS)
        return _usable(torch.where(torch.isfinite(shrunk), shrunk, variance)).sqrt()

    def _with_directions(self, diagonal: Metric) -> Metric:
        def rows(name: str) -> np.ndarray:
            return torch.cat([getattr(e, name) for e in self._recent]).numpy(force=True)

        scale = diagonal.scale
        positions, gradients = rows("position"), rows("gradient")
        if len(positions) < 3 or not np.isfinite(gradients).all():
            return diagonal
        found = find_directions(positions, gradients, scale.numpy(force=True), self._settings)
        order = np.argsort(-np.abs(np.log(found.values)))[: self._settings.max_directions]
        if not (np.isfinite(found.vectors).all() and np.isfinite(found.bulk)):
            return diagonal
        return Metric(
            scale * found.bulk,
            torch.as_tensor(found.vectors[order]).to(scale),
            torch.as_tensor(np.sqrt(found.values[order]) - 1).to(scale),
        )


def first_metric(start: Ensemble) -> Metric:
    """A diagonal from where the chains start; from their gradients alone when they are few."""
    if len(start.position) < 4:
        return Metric.diagonal(_usable(1 / start.gradient.abs().mean(0)).sqrt())
    spread = Spread(start.position.shape[1], 0)
    spread.update(start)
    return spread.metric(by_gradient=True)


@dataclass
class _Number:
    value: int


class _Moments:
    """Means and sums of squares by the update of Chan, Golub & LeVeque (1983)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: torch.Tensor | float = 0.0
        self.squares: torch.Tensor | float = 0.0

    def visit(self, ledger: Ledger, name: str, like: torch.Tensor) -> None:
        ledger.numbers(self, ("count",), name)
        mean = ledger.shared(name + "mean", self.mean, like)
        squares = ledger.shared(name + "squares", self.squares, like)
        if ledger.loading:
            self.mean, self.squares = mean, squares

    def update(self, rows: torch.Tensor) -> None:
        count, mean = len(rows), rows.mean(0)
        apart, total = mean - self.mean, self.count + count
        within = (rows - mean).square().sum(0)
        self.squares = self.squares + within + apart.square() * (self.count * count / total)
        self.mean = self.mean + apart * (count / total)
        self.count = total

    @property
    def variance(self) -> torch.Tensor:
        return torch.as_tensor(self.squares) / max(self.count - 1, 1)


def _usable(variance: torch.Tensor) -> torch.Tensor:
    sound = torch.isfinite(variance) & (variance > 0)
    return torch.where(sound, variance, 1.0).clamp(SMALLEST, LARGEST)
