"""Marginals with their Monte Carlo errors from counts alone, without keeping draws.

The run is cut into batches; of each batch only how often every chain was in every state is kept.
With many chains the spread of chain means gives the error, whatever the autocorrelation; with
few, that of batch means (Geyer 1992). R-hat is the split one of Gelman et al. (BDA3, 2013) on the
indicator of each state; large values mean chains that sit in different places.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from probgen.inference.graphical.method import Marginals, state_offsets

__all__ = ["StateCounts"]

MANY_CHAINS = 16
"""From this many chains on, errors come from the spread of chain means."""
MEANS = 64
"""With fewer chains, so many batch means are collected over all of them."""


class StateCounts:
    """Counts of states, batch after batch.

    `counting` lends the array (all states, chain) uint32 that a sweeper adds to; `close` ends a
    batch. Memory is three numbers of four bytes for each state and chain; with few chains up to
    a hundred for each state.
    """

    def __init__(self, cards: np.ndarray, chains: int):
        self.offsets = state_offsets(cards)
        self.counts = np.zeros((int(self.offsets[-1]), chains), dtype=np.uint32)
        self._means: list[np.ndarray] = []
        self._lengths: list[int] = []
        self._cards = cards
        self.open_sweeps = 0

    @staticmethod
    def batches(chains: int, draws: int) -> int:
        """In how many batches to cut a run: an even number, so that halves can be told apart."""
        wanted = 2 if chains >= MANY_CHAINS else 2 * -(-MEANS // (2 * max(chains, 1)))
        return max(1, min(wanted, draws))

    @contextmanager
    def counting(self, sweeps: int) -> Iterator[np.ndarray]:
        """The array to add to during `sweeps` sweeps."""
        yield self.counts
        self.open_sweeps += sweeps

    def close(self) -> None:
        """End a batch and begin the next."""
        if self.open_sweeps:
            self._means.append((self.counts / np.float32(self.open_sweeps)).astype(np.float32))
            self._lengths.append(self.open_sweeps)
            self.counts.fill(0)
            self.open_sweeps = 0

    @property
    def sweeps(self) -> int:
        """Sweeps in the batches closed so far."""
        return sum(self._lengths)

    def marginals(self) -> Marginals:
        """Probabilities, standard errors, split R-hat and effective sample size of every state.

        A state that all chains were in always, or never, has R-hat and ESS NaN, and as its
        error one over the number of draws. R-hat is inf when chains never moved but differ.
        Without a draw everything is NaN.
        """
        states, chains = self.counts.shape
        if not self._lengths or not chains:
            nothing = np.full(states, np.nan)
            return Marginals(self.offsets, nothing, nothing.copy(), nothing.copy(), nothing.copy())
        whole = self._average(slice(None))
        probabilities = whole.mean(axis=1)
        single = np.repeat(self._cards == 1, self._cards)
        errors = self._errors(whole, probabilities)
        constant = (whole == whole[:, :1]).all(axis=1) & np.isin(whole[:, 0], (0.0, 1.0))
        errors[constant] = 1.0 / (self.sweeps * chains)
        errors[single] = 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            size = probabilities * (1 - probabilities) / errors**2
        total = self.sweeps * chains
        ess = np.minimum(size, total * max(np.log10(total), 1.0))
        ess[constant] = np.nan
        return Marginals(self.offsets, probabilities, errors, self._r_hat(), ess)

    def _average(self, part: slice) -> np.ndarray:
        """Mean of each chain over some batches, (states, chains) float64."""
        weights = np.array(self._lengths[part], dtype=float)
        total = np.zeros(self.counts.shape)
        for weight, means in zip(weights / weights.sum(), self._means[part], strict=True):
            total += weight * means
        return total

    def _errors(self, whole: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        chains = whole.shape[1]
        if chains >= MANY_CHAINS:
            return np.asarray(whole.std(axis=1, ddof=1) / np.sqrt(chains))
        count = chains * len(self._means)
        if count < 2:
            return np.full(len(whole), np.nan)
        squares = np.zeros(len(whole))
        for means in self._means:
            squares += ((means - probabilities[:, None]) ** 2).sum(axis=1)
        return np.asarray(np.sqrt(squares / (count - 1) / count))

    def _r_hat(self) -> np.ndarray:
        half = len(self._means) // 2
        if not half:
            return np.full(len(self.counts), np.nan)
        means = np.concatenate(
            [self._average(slice(None, half)), self._average(slice(half, None))], axis=1
        )
        length = self.sweeps / 2
        within = (means * (1 - means)).mean(axis=1) * length / max(length - 1, 1)
        between = means.var(axis=1, ddof=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.sqrt((length - 1) / length + between / within))
