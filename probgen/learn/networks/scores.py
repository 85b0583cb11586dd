"""Decomposable scores of structures: one number per family, from counts.

Higher is better. BIC (Schwarz 1978) and AIC (Akaike 1974) on the scale of the log likelihood,
in nats; BDeu, K2 and Jeffreys are log marginal likelihoods.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import xlogy

from probgen.errors import OptionError
from probgen.learn.networks.dirichlet import log_marginal_likelihood, pseudo_counts
from probgen.learn.table import Table

__all__ = ["SCORES", "FamilyScores", "check_score", "structure_score"]

SCORES = ("bic", "aic", "log_likelihood", "bdeu", "k2", "jeffreys")
_PRIORS = {"bdeu": "BDeu", "k2": "K2", "jeffreys": "Jeffreys"}


@dataclass(eq=False)
class FamilyScores:
    """Scores of families (variable, parents) of complete data, each computed once."""

    table: Table
    score: str = "bic"
    equivalent_sample_size: float = 10.0
    _known: dict[tuple[int, frozenset[int]], float] = field(default_factory=dict)

    def of(self, variable: int, parents: Sequence[int]) -> float:
        """Score (nats) of one family."""
        key = (variable, frozenset(parents))
        if key not in self._known:
            counts = self.table.counts((*sorted(parents), variable))
            self._known[key] = self._from_counts(counts)
        return self._known[key]

    @property
    def computed(self) -> int:
        """How many different families were scored."""
        return len(self._known)

    def _from_counts(self, counts: np.ndarray) -> float:
        if self.score in _PRIORS:
            prior = pseudo_counts(_PRIORS[self.score], self.equivalent_sample_size, counts.shape)
            return log_marginal_likelihood(counts, prior)
        rows = counts.sum(axis=-1)
        value = float(xlogy(counts, counts).sum() - xlogy(rows, rows).sum())
        parameters = rows.size * (counts.shape[-1] - 1)
        if self.score == "bic":
            return value - 0.5 * np.log(self.table.size) * parameters
        return value - parameters if self.score == "aic" else value


def check_score(score: str, equivalent_sample_size: float) -> None:
    """Refuse unknown scores and sizes that are not positive (`OptionError`)."""
    if score not in SCORES:
        raise OptionError(f"score={score!r}: choose one of {', '.join(SCORES)}.")
    if not 0 < equivalent_sample_size < np.inf:
        raise OptionError(f"equivalent_sample_size={equivalent_sample_size!r}: must be positive.")


def structure_score(scores: FamilyScores, parents: Sequence[Sequence[int]]) -> float:
    """Score (nats) of a structure given by the parents of each variable."""
    return sum(scores.of(child, given) for child, given in enumerate(parents))
