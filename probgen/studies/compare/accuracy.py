"""How far estimates are from a reference, and how much of that chance cannot explain.

Errors of scalars are in standard deviations of the reference; those of probabilities are as
they are. An error is *chance* while it lies within so many of its own standard errors (ours and
the reference's together) as the largest of as many comparisons may have by luck; what is left
over is *bias*.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

import numpy as np

from probgen.studies.compare.estimates import Estimates
from probgen.studies.reference import Reference, matched

__all__ = ["LEVEL", "Accuracy", "accuracy", "bound"]

LEVEL = 1e-3  # chance that some error of an unbiased method is called bias


@dataclass(frozen=True)
class Accuracy:
    """Errors of the scalars that posterior and reference share, arrays (scalar, statistic).

    Attributes
    ----------
    names: the scalars, as the posterior calls them.
    errors: signed, in reference sds (probabilities: as they are); NaN where there is no truth.
    noise: standard errors of `errors` by the draws of the method.
    reference_noise: those by the reference, which all runs share; 0 where it is exact.

    """

    names: tuple[str, ...]
    statistics: tuple[str, ...]
    errors: np.ndarray
    noise: np.ndarray
    reference_noise: np.ndarray

    @property
    def bias(self) -> np.ndarray:
        """The part of every error that chance does not explain, signed; NaN where unknown."""
        compared = int(np.isfinite(self.errors).sum())
        chance = np.hypot(self.noise, self.reference_noise)
        excess = np.abs(self.errors) - bound(compared) * chance
        return np.sign(self.errors) * np.maximum(excess, 0.0)

    def worst(self, statistic: str | None = None) -> float:
        """Largest absolute error (of one statistic); NaN without any."""
        chosen = np.abs(self._columns(statistic))
        return float(np.nanmax(chosen)) if np.isfinite(chosen).any() else math.nan

    def average(self, statistic: str | None = None) -> float:
        """Mean absolute error (of one statistic) over scalars; NaN without any."""
        chosen = np.abs(self._columns(statistic))
        return float(np.nanmean(chosen)) if np.isfinite(chosen).any() else math.nan

    def most_biased(self) -> tuple[float, str, str]:
        """Largest absolute bias, its scalar and statistic; (NaN, "", "") where unknown."""
        size = np.abs(self.bias)
        if not np.isfinite(size).any():
            return math.nan, "", ""
        row, column = np.unravel_index(int(np.nanargmax(size)), size.shape)
        return float(size[row, column]), self.names[row], self.statistics[column]

    def of_variables(self) -> dict[str, float]:
        """Of a network: total variation distance of every variable's marginal."""
        variables = np.array([name.rpartition("=")[0] for name in self.names])
        found = np.abs(self.errors[:, 0])
        return {str(v): float(found[variables == v].sum() / 2) for v in dict.fromkeys(variables)}

    def _columns(self, statistic: str | None) -> np.ndarray:
        if statistic is None:
            return self.errors
        return self.errors[:, self.statistics.index(statistic)]


def accuracy(found: Estimates, reference: Reference) -> Accuracy:
    """Errors of `found`; raises `DataError` when the two share no scalar."""
    ours, theirs = matched(found, reference)
    scale = np.ones((len(theirs), 1))
    if not reference.is_of_states:
        scale = reference.values[theirs, 1:2]
        scale = np.where(scale > 0, scale, np.nan)  # a constant has no error in its own sds
    difference = (found.values[ours] - reference.values[theirs]) / scale
    known = np.nan_to_num(reference.errors[theirs])
    names = tuple(found.names[row] for row in ours)
    return Accuracy(
        *(names, found.statistics, difference), found.errors[ours] / scale, known / scale
    )


def pooled(parts: list[Accuracy]) -> Accuracy:
    """Accuracy of the average over seeds: chance errors of independent runs average out.

    That of the reference is common to all runs and does not.
    """
    first = parts[0]
    errors = np.mean([part.errors for part in parts], axis=0)
    noise = np.sqrt(np.sum([part.noise**2 for part in parts], axis=0)) / len(parts)
    return Accuracy(first.names, first.statistics, errors, noise, first.reference_noise)


def bound(comparisons: int, level: float = LEVEL) -> float:
    """Largest |z| that so many comparisons have by chance: two-sided, Bonferroni at `level`."""
    return statistics.NormalDist().inv_cdf(1.0 - level / (2.0 * max(comparisons, 1)))
