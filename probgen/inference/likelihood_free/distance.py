"""How far simulated data are from the observed ones: summaries, their scales, a distance."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from probgen.declare.environment import double_precision, tracing
from probgen.errors import DataError, ModelError

__all__ = ["Comparison", "Distance", "Pilot", "Summaries"]

Summaries = Callable[[Mapping[str, Tensor]], Any]
"""From one data set, tensors by site, to a number, a tensor, or a sequence of these."""
Distance = Callable[[Tensor, Tensor], Any]
"""From summaries (k,) of a simulated and of the observed data to a number >= 0."""


@dataclass(frozen=True)
class Pilot:
    """What simulations from the prior said."""

    scale: Tensor
    """Of every summary, (k,)."""
    distances: np.ndarray
    """From the observed data, (row,)."""


class Comparison:
    """Distances of simulated data from the observed ones.

    The default is Euclidean, each summary divided by its median absolute deviation over
    simulations from the prior (Prangle 2017; Beaumont, Zhang & Balding 2002); its standard
    deviation where more than half of them are equal.

    Args:
        summaries: of a data set; None for all of its values.
        distance: of summaries; None for the default.
        observed: the data, tensors (1, ...) by site.
        pilot: simulated data, tensors (row, ...) by site, from the prior; or what such data said.

    Raises `DataError` where observed summaries are not finite, `ModelError` for summaries that
    fail or whose distance is never finite.

    """

    def __init__(
        self,
        summaries: Summaries | None,
        distance: Distance | None,
        observed: Mapping[str, Tensor],
        pilot: Mapping[str, Tensor] | Pilot,
    ) -> None:
        self._summaries, self._distance = summaries, distance
        self.observed = self.summarised(observed)[0]
        if not bool(self.observed.isfinite().all()):
            sites = ", ".join(map(repr, observed))
            raise DataError(
                f"A summary of the observed data ({sites}) is not finite: "
                f"{self.observed.tolist()[:8]}. Drop missing values, or give summaries that leave "
                "them out."
            )
        if isinstance(pilot, Pilot):
            self.scale, self.pilot = pilot.scale, pilot
            return
        self.scale = _scale(self.summarised(pilot))
        found = self(pilot)
        self.pilot = Pilot(self.scale, found)
        if not np.isfinite(found).any():
            raise ModelError(
                f"No distance of {len(found)} simulations from the prior to the data is finite. "
                "Look for NaN in what the program draws, or in the summaries."
            )

    def __call__(self, data: Mapping[str, Tensor]) -> np.ndarray:
        """Distances (row,); infinite where a summary or the distance is not finite."""
        simulated, distance = self.summarised(data), self._distance
        if distance is None:
            found = ((simulated - self.observed) / self.scale).square().sum(1).sqrt()
        else:
            found = _each(lambda row: distance(row, self.observed), simulated, "distance")
            found = found.reshape(len(simulated))
            if bool((found < 0).any()):
                raise ModelError("The distance is below 0: it must be a number of at least 0.")
        return torch.where(found.isfinite(), found, torch.inf).numpy()

    def share_under_prior(self, epsilon: float) -> float:
        """Share of simulations from the prior that would be accepted."""
        return float((self.pilot.distances <= epsilon).mean())

    def summarised(self, data: Mapping[str, Tensor]) -> Tensor:
        """Summaries (row, k) of data sets (row, ...)."""
        if self._summaries is None:
            return torch.cat([value.reshape(len(value), -1) for value in data.values()], 1)
        return _each(self._summaries, data, "summaries")


def _each(function: Callable[[Any], Any], rows: Any, what: str) -> Tensor:
    """A function of every row, (row, k): of all at once where it allows that."""

    def one(row: Any) -> Tensor:
        return _vector(function(row))

    try:
        with tracing(), double_precision(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*performance drop")
            return torch.vmap(one)(rows)
    except (RuntimeError, ValueError, TypeError, NotImplementedError):
        pass
    count = len(next(iter(rows.values()))) if isinstance(rows, Mapping) else len(rows)
    try:
        with tracing(), double_precision():
            return torch.stack([one(_row(rows, number)) for number in range(count)])
    except Exception as error:
        raise ModelError(
            f"The function given as {what} failed on simulated data: {type(error).__name__}: "
            f"{error}"
        ) from error


def _row(rows: Any, number: int) -> Any:
    if isinstance(rows, Mapping):
        return {name: value[number] for name, value in rows.items()}
    return rows[number]


def _vector(value: Any) -> Tensor:
    if isinstance(value, Sequence):
        return torch.cat([_vector(part) for part in value])
    return torch.as_tensor(value, dtype=torch.float64).reshape(-1)


def _scale(simulated: Tensor) -> Tensor:
    """Median absolute deviations (k,), or standard deviations where these are 0."""
    known = torch.where(simulated.isfinite(), simulated, torch.nan)
    middle = known.nanmedian(0).values
    apart = (known - middle).abs().nanmedian(0).values
    deviation = (known - middle).square().nanmean(0).sqrt()
    found = torch.where(apart > 0, apart, deviation)
    return torch.where(found > 0, found, 1.0)
