"""The transition matrix of a Markov chain from observed sequences of its states."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr
from scipy import sparse

from probgen.declare.networks.transition import TransitionModel
from probgen.errors import DataError, OptionError
from probgen.inference.markov.sequences import as_sequences, count_transitions, state_names
from probgen.results.tree import Labels, Variable, build_tree

__all__ = ["ChainEstimate", "estimate"]


def estimate(
    sequences: Any, states: Sequence[Hashable] | None = None, prior: float = 0.0
) -> ChainEstimate:
    """The transition matrix from observed sequences of states.

    Args:
        sequences: one sequence of states, several of any lengths, a two-dimensional array (a
            sequence per row), a DataFrame (a sequence per column), or a DataTree from `simulate`.
            A missing value (None, NaN) interrupts its sequence.
        states: names of the states in order; those that occur, sorted where they can be, if not
            given.
        prior: concentration of a Dirichlet prior on every row, per entry; 0 gives the maximum
            likelihood estimate, otherwise the posterior mean.

    Raises `DataError` for unknown states, for nothing to count, and (without a prior) for a state
    that is never left.

    """
    if not (np.isfinite(prior) and prior >= 0):
        raise OptionError(f"estimate(prior={prior!r}): a concentration is not negative.")
    parts, states = as_sequences(sequences, states)
    names = state_names(parts, states)
    counts, first = count_transitions(parts, names)
    left = np.asarray(counts.sum(axis=1)).ravel()
    if prior == 0 and (left == 0).any():
        never = names[int(np.argmin(left))]
        raise DataError(
            f"The state {never!r} is never followed by another, so nothing is known of its row: "
            "give a prior (prior=1 is uniform), or leave the state out."
        )
    return ChainEstimate(names, counts, first, float(prior))


@dataclass(frozen=True, eq=False)
class ChainEstimate:
    """What sequences say about a transition matrix.

    Attributes
    ----------
    states: names of the k states.
    counts: (k, k) sparse, number of observed transitions.
    first_counts: (k,), how many sequences begin in each state.
    prior: concentration of the Dirichlet prior per entry, 0 for maximum likelihood.

    """

    states: tuple[Hashable, ...]
    counts: sparse.csr_array
    first_counts: np.ndarray
    prior: float

    @property
    def concentration(self) -> Any:
        """Counts plus prior, (k, k): the Dirichlet parameters of the rows' posteriors."""
        return self.counts.toarray() + self.prior if self.prior else self.counts

    @cached_property
    def model(self) -> TransitionModel:
        """Maximum likelihood estimate or posterior mean; starts as the sequences do."""
        weights = self.concentration
        totals = np.asarray(weights.sum(axis=1)).ravel()
        if sparse.issparse(weights):
            matrix = sparse.diags_array(1 / totals) @ weights
            matrix = matrix.toarray() if len(totals) <= 1000 else matrix
        else:
            matrix = weights / totals[:, None]
        starts = self.first_counts / self.first_counts.sum()
        return TransitionModel(matrix, self.states, starts, "estimated chain")

    @cached_property
    def standard_errors(self) -> np.ndarray:
        """(k, k): of the estimates, sqrt(p (1 - p) / n); posterior deviations with a prior."""
        totals = np.asarray(self.concentration.sum(axis=1)).reshape(-1, 1)
        p = self.model.dense
        return np.asarray(np.sqrt(p * (1 - p) / (totals + (1 if self.prior else 0))))

    @cached_property
    def log_likelihood(self) -> float:
        """Of the transitions under `model`, nats."""
        entries = self.counts.tocoo()
        chances = np.asarray(self.model.csr[entries.row, entries.col]).ravel()
        return float(entries.data @ np.log(chances))

    def posterior(self, draws: int = 1000, chains: int = 4, seed: int = 0) -> xr.DataTree:
        """Independent posterior draws of the matrix: `transition` (chain, draw, from, to).

        Raises `OptionError` without a prior: the posterior would be improper.
        """
        if not self.prior:
            raise OptionError("posterior draws need a prior: call estimate(..., prior=1.0).")
        rng = np.random.default_rng(seed % 2**128)
        shape = (chains, draws, *self.counts.shape)
        gammas = rng.standard_gamma(self.concentration, size=shape)
        matrix = gammas / gammas.sum(axis=-1, keepdims=True)
        names = [str(state) for state in self.states]
        return build_tree(
            {"posterior": {"transition": Variable(matrix)}},
            Labels(dims={"transition": ("from", "to")}, coords={"from": names, "to": names}),
            {"model": "estimated chain", "seed": seed, "prior": self.prior},
        )
