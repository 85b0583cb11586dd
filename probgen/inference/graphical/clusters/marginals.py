"""Marginals with their Monte Carlo error while sampling, without keeping draws.

Errors come from the spread of batch means over all chains (Flegal & Jones 2010); R-hat compares
the chains' means with the variance of each state's indicator (Gelman & Rubin 1992).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from probgen.inference.graphical.method import Marginals, state_offsets
from probgen.inference.graphical.pieces import each_chain

__all__ = ["BatchMeans"]

_BATCHES = 64
"""Batches, over all chains, from which the error is found."""


class BatchMeans:
    """Means over batches of consecutive draws, pooled as they come."""

    def __init__(self, cards: np.ndarray, chains: int, draws: int):
        self._offsets = state_offsets(cards)
        self.length = _batch_length(chains, draws)
        """Draws of a batch: what `add` wants to be called with."""
        self._batches, self._draws = 0, 0
        self._sum = np.zeros((chains, int(self._offsets[-1])))
        self._squares = np.zeros(int(self._offsets[-1]))
        self._means = np.zeros(int(self._offsets[-1]))

    def add(self, sums: np.ndarray, draws: int) -> None:
        """Add, for every chain, the sum over `draws` draws of each state's probability.

        Batches that are not of full length add to the means, but not to their error.
        """
        self._sum += sums
        self._draws += draws
        if draws == self.length:
            self._batches += 1
            self._means += (sums / draws).sum(axis=0)
            self._squares += np.square(sums / draws).sum(axis=0)

    def arrays(self) -> dict[str, np.ndarray]:
        """All that was gathered, one row per chain, for `restore`; views."""
        chains = len(self._sum)
        shared = {
            "batch_squares": self._squares,
            "batch_means": self._means,
            "batch_count": np.int64(self._batches),
            "batch_length": np.int64(self.length),
            "summed_draws": np.int64(self._draws),
        }
        return {"sums": self._sum, **{n: each_chain(a, chains) for n, a in shared.items()}}

    def restore(self, arrays: Mapping[str, np.ndarray], draws_left: int) -> None:
        """Take up what `arrays` held, in a run of so many more draws.

        Batches stay as long as they were, unless they are too short for a run that has become
        longer: its errors then come from the draws to come.
        """
        self._sum[:] = arrays["sums"]
        self._draws = int(arrays["summed_draws"][0])
        length = int(arrays["batch_length"][0])
        if length < min(self.length, math.isqrt(self._draws + draws_left)):
            self.length = _batch_length(len(self._sum), draws_left)
            return
        self.length = length
        self._batches = int(arrays["batch_count"][0])
        self._squares[:] = arrays["batch_squares"][0]
        self._means[:] = arrays["batch_means"][0]

    def marginals(self) -> Marginals:
        """What was gathered; no errors from a single batch of a single chain."""
        chains, states = self._sum.shape
        if not self._draws:
            return Marginals(self._offsets, np.full(states, np.nan))
        means = self._sum / self._draws
        mean = means.mean(axis=0)
        number = chains * self._batches
        if number < 2:
            return Marginals(self._offsets, mean)
        spread = self._squares / number - (self._means / number) ** 2
        error = np.sqrt(np.maximum(spread, 0.0) / (number - 1))
        # Clusters that hardly ever form may not have formed: at most one draw in all is missed.
        seen = (mean > 0) & (mean < 1)
        error = np.where(seen, np.maximum(error, 1 / (chains * self._draws)), error)
        with np.errstate(divide="ignore", invalid="ignore"):
            # Draws spread evenly by chance must not claim more than they are.
            ess = np.minimum(mean * (1 - mean) / error**2, chains * self._draws)
            within = (means * (1 - means)).mean(axis=0)
            between = means.var(axis=0, ddof=1) if chains > 1 else np.full(states, np.nan)
            r_hat = np.sqrt(1 - 1 / self._draws + between / within)
        return Marginals(self._offsets, mean, error, r_hat, ess)


def _batch_length(chains: int, draws: int) -> int:
    """At least the square root of the draws, so that batches are nearly independent."""
    batches = min(max(1, math.isqrt(draws)), -(-_BATCHES // max(chains, 1)))
    return max(1, draws // batches)
