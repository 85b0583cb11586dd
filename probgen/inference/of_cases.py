"""What log-likelihoods of cases have in common, however they were found."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["OfCases", "standard_error"]


class OfCases:
    """A log-likelihood for every case, nats: `cases`, (cases,)."""

    cases: np.ndarray

    @property
    def mean(self) -> float:
        """Nats per case."""
        return float(self.cases.mean())

    @property
    def spread(self) -> float:
        """Standard error of the mean over cases, were they a sample of all."""
        return standard_error(self.cases)


def standard_error(values: np.ndarray) -> float:
    """Of the mean; infinite for a single value."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else math.inf
