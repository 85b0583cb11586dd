"""Dirichlet priors of conditional tables, and the marginal likelihood of a family.

The parameters of different families and of different configurations of the parents are
independent a priori; then the posterior is Dirichlet again, and the marginal likelihood is a
product of ratios of gamma functions (Heckerman, Geiger & Chickering 1995). With the BDeu prior
(Buntine 1991), Markov-equivalent structures have equal marginal likelihoods.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import gammaln

from probgen.errors import OptionError

__all__ = ["PRIORS", "log_marginal_likelihood", "pseudo_counts"]

PRIORS = ("BDeu", "K2", "Jeffreys")


def pseudo_counts(prior: str, equivalent_sample_size: float, shape: Sequence[int]) -> np.ndarray:
    """Parameters of the Dirichlet priors of a table of `shape` (parents ..., child).

    BDeu spreads `equivalent_sample_size` evenly over the cells; K2 (Cooper & Herskovits 1992)
    has 1 in each cell, Jeffreys 1/2.
    """
    size = int(np.prod(shape))
    values = {"BDeu": equivalent_sample_size / size, "K2": 1.0, "Jeffreys": 0.5}
    if prior not in values:
        raise OptionError(f"prior={prior!r}: choose one of {', '.join(PRIORS)}.")
    return np.full(tuple(shape), values[prior])


def log_marginal_likelihood(counts: np.ndarray, prior: np.ndarray) -> float:
    """Log probability (nats) of one family's data with its parameters integrated out.

    `counts` and `prior` have axes (parents ..., child). Of a data set in a given order: no
    multinomial coefficient.
    """
    rows, prior_rows = counts.sum(axis=-1), prior.sum(axis=-1)
    cells = gammaln(counts + prior) - gammaln(prior)
    return float(cells.sum() + (gammaln(prior_rows) - gammaln(rows + prior_rows)).sum())
