"""Marginals with their Monte Carlo errors from counts alone, without keeping draws.

The run is cut into batches; of each batch only how often every chain was in every state is kept.
With many chains the spread of chain means gives the error, whatever the autocorrelation; with
few, that of batch means (Geyer 1992). R-hat is the split one of Gelman et al. (BDA3, 2013) on the
indicator of each state; large values mean chains that sit in different places.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from probgen.inference.graphical.method import Marginals, state_offsets
from probgen.inference.graphical.pieces import each_chain

__all__ = ["StateCounts"]

MANY_CHAINS = 16
"""From this many chains on, errors come from the spread of chain means."""
MEANS = 64
"""With fewer chains, so many batch means are collected over all of them."""
RARE = 30
"""Below this many visits the spread between chains says little about a state."""


class StateCounts:
    """Counts of states, batch after batch.

    `counts` (all states, chain) uint32 is what a sweeper adds to, `open_sweeps` how many sweeps
    it holds; `close` ends a batch. For each state and chain three numbers of four bytes are kept,
    with few chains about 64 for each state.
    """

    def __init__(self, cards: np.ndarray, chains: int):
        self.offsets = state_offsets(cards)
        self.counts = np.zeros((int(self.offsets[-1]), chains), dtype=np.uint32)
        self._batches: list[np.ndarray] = []
        self._lengths: list[int] = []
        self._cards = cards
        self.open_sweeps = 0

    @staticmethod
    def batches(chains: int, draws: int) -> int:
        """In how many batches to cut a run: an even number, so that halves can be told apart.

        No more than the square root of the draws: shorter batches would not be independent, and
        their means spread less than the error of the whole (Flegal & Jones 2010).
        """
        wanted = 2 if chains >= MANY_CHAINS else 2 * -(-MEANS // (2 * max(chains, 1)))
        longest = max(2, 2 * (math.isqrt(draws) // 2))
        return max(1, min(wanted, longest, draws))

    def close(self) -> None:
        """End a batch and begin the next."""
        if self.open_sweeps:
            self._batches.append(self.counts.copy())
            self._lengths.append(self.open_sweeps)
            self.counts.fill(0)
            self.open_sweeps = 0

    def arrays(self) -> dict[str, np.ndarray]:
        """All that was counted so far, one row per chain, for `restore`; views where possible."""
        states, chains = self.counts.shape
        batches = np.array(self._batches, dtype=np.uint32).reshape(-1, states, chains)
        return {
            "counts": self.counts.T,
            "counted_sweeps": each_chain(np.int64(self.open_sweeps), chains),
            "batches": batches.transpose(2, 0, 1),
            "batch_sweeps": each_chain(np.array(self._lengths, dtype=np.int64), chains),
        }

    def restore(self, arrays: Mapping[str, np.ndarray], ends: Sequence[int]) -> None:
        """Take up what `arrays` held, in a run whose batches end after `ends` sweeps.

        When the run has become longer, batches that end within one of the new are put together.
        """
        self.counts[:] = arrays["counts"].T
        self.open_sweeps = int(arrays["counted_sweeps"][0])
        lengths = np.asarray(arrays["batch_sweeps"][0])
        passed = np.cumsum(lengths)
        places = np.searchsorted(ends, passed)
        self._batches, self._lengths = [], []
        for place in np.unique(places):
            inside = np.flatnonzero(places == place)
            together = np.asarray(arrays["batches"])[:, inside].sum(axis=1, dtype=np.uint32).T
            length = int(lengths[inside].sum())
            if place < len(ends) and passed[inside[-1]] < ends[place] and place == places[-1]:
                self.counts += together
                self.open_sweeps += length
            else:
                self._batches.append(np.ascontiguousarray(together))
                self._lengths.append(length)

    @property
    def sweeps(self) -> int:
        """Sweeps in the batches closed so far."""
        return sum(self._lengths)

    def marginals(self) -> Marginals:
        """Probabilities, standard errors, split R-hat and effective sample size of every state.

        A state that all chains were in always, or never, has R-hat and ESS NaN. Of states seen
        less than `RARE` times the error is at least that of as many independent draws (plus one,
        so that it is never 0). R-hat is inf when chains never moved but differ.
        Without a draw everything is NaN.
        """
        states, chains = self.counts.shape
        if not self._lengths or not chains:
            nothing = np.full(states, np.nan)
            return Marginals(self.offsets, nothing, nothing.copy(), nothing.copy(), nothing.copy())
        whole = self._average(slice(None))
        probabilities = whole.mean(axis=1)
        total = self.sweeps * chains
        errors = np.maximum(self._errors(whole, probabilities), _floor(probabilities, total))
        errors[np.repeat(self._cards == 1, self._cards)] = 0.0
        constant = (probabilities == 0.0) | (probabilities == 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            size = probabilities * (1 - probabilities) / errors**2
        ess = np.minimum(size, total * max(np.log10(total), 1.0))
        ess[constant] = np.nan
        return Marginals(self.offsets, probabilities, errors, self._r_hat(), ess)

    def _average(self, part: slice) -> np.ndarray:
        """Mean of each chain over some batches, (states, chains) float64."""
        total = np.zeros(self.counts.shape)
        for counts in self._batches[part]:
            total += counts
        return total / sum(self._lengths[part])

    def _errors(self, whole: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        chains = whole.shape[1]
        if chains >= MANY_CHAINS:
            return np.asarray(whole.std(axis=1, ddof=1) / np.sqrt(chains))
        count = chains * len(self._batches)
        if count < 2:
            return np.full(len(whole), np.nan)
        squares = np.zeros(len(whole))
        for counts, length in zip(self._batches, self._lengths, strict=True):
            squares += ((counts / length - probabilities[:, None]) ** 2).sum(axis=1)
        return np.asarray(np.sqrt(squares / (count - 1) / count))

    def _r_hat(self) -> np.ndarray:
        half = len(self._batches) // 2
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


def _floor(probabilities: np.ndarray, total: int) -> np.ndarray:
    """Errors of as many independent draws, where a state was seen too rarely for better."""
    seen = np.minimum(probabilities, 1 - probabilities) * total
    share = (seen + 1) / (total + 2)
    return np.where(seen < RARE, np.sqrt(share * (1 - share) / total), 0.0)
