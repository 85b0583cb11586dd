"""Marginals from counts alone: errors, R-hat and ESS against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from probgen.inference.graphical.method import Marginals
from probgen.inference.graphical.sweeps.streaming import StateCounts


def count(draws: np.ndarray, card: int = 2) -> Marginals:
    """Of one variable, from (chain, draw)."""
    chains, length = draws.shape
    counts = StateCounts(np.array([card]), chains)
    batches = StateCounts.batches(chains, length)
    for batch in np.array_split(draws, batches, axis=1):
        for state in range(card):
            counts.counts[state] += (batch == state).sum(axis=1).astype(np.uint32)
        counts.open_sweeps += batch.shape[1]
        counts.close()
    return counts.marginals()


def markov_chain(chains: int, draws: int, stay: float, seed: int) -> np.ndarray:
    """Two states that are kept with probability `stay`."""
    rng = np.random.default_rng(seed)
    moves = rng.random((chains, draws)) > stay
    return (rng.integers(0, 2, (chains, 1)) + np.cumsum(moves, axis=1)) % 2


def test_r_hat_is_that_of_the_indicator() -> None:
    import arviz_stats

    draws = markov_chain(24, 500, 0.9, 1)
    split = arviz_stats.rhat((draws == 1).astype(float), method="split")
    marginals = count(draws)
    assert marginals.r_hat is not None
    np.testing.assert_allclose(marginals.r_hat, split, rtol=1e-6)


@pytest.mark.parametrize("chains", [1, 4, 64])
def test_errors_and_ess_of_a_chain_of_known_autocorrelation(chains: int) -> None:
    """Lag-one correlation r: the effective number of draws is N (1 - r) / (1 + r)."""
    draws, stay = 60_000 // chains, 0.75
    correlation = 2 * stay - 1
    truth = chains * draws * (1 - correlation) / (1 + correlation)
    scores, ratios = [], []
    for seed in range(60):
        marginals = count(markov_chain(chains, draws, stay, seed))
        assert marginals.errors is not None
        assert marginals.ess is not None
        scores.append((marginals.probabilities[1] - 0.5) / marginals.errors[1])
        ratios.append(marginals.ess[1] / truth)
    assert 0.7 < np.sqrt(np.mean(np.square(scores))) < 1.4
    assert 0.9 < np.median(ratios) < 1.15


def test_errors_of_a_short_chain_allow_for_its_autocorrelation() -> None:
    """About 21 effective draws of 400: too few for batch means to be right, but near it."""
    scores = []
    for seed in range(300):
        marginals = count(markov_chain(1, 400, 0.95, seed))
        assert marginals.errors is not None
        scores.append((marginals.probabilities[1] - 0.5) / marginals.errors[1])
    assert 1 < np.sqrt(np.mean(np.square(scores))) < 1.8


def test_a_state_never_seen_has_no_r_hat_but_an_error() -> None:
    marginals = count(np.zeros((20, 100), dtype=int), card=3)
    assert marginals.errors is not None
    np.testing.assert_array_equal(marginals.probabilities, [1, 0, 0])
    assert np.isnan(marginals.r_hat).all()
    assert np.isnan(marginals.ess).all()
    np.testing.assert_allclose(marginals.errors, 1 / 2000, rtol=0.01)


def test_a_variable_of_one_state_has_no_error() -> None:
    marginals = count(np.zeros((20, 100), dtype=int), card=1)
    np.testing.assert_array_equal(marginals.errors, [0.0])


def test_chains_that_never_move_but_differ_have_infinite_r_hat() -> None:
    stuck = np.repeat(np.arange(20)[:, None] % 2, 100, axis=1)
    marginals = count(stuck)
    assert np.isinf(marginals.r_hat).all()
    assert marginals.ess is not None
    assert marginals.ess[0] < 25


def test_no_draws() -> None:
    marginals = StateCounts(np.array([2, 3]), 4).marginals()
    assert np.isnan(marginals.probabilities).all()
    assert len(marginals.probabilities) == 5


def test_memory_does_not_grow_with_draws() -> None:
    counts = StateCounts(np.full(1000, 2), 256)
    for _ in range(StateCounts.batches(256, 10**6)):
        counts.counts += 250_000
        counts.open_sweeps += 500_000
        counts.close()
    held = counts.counts.nbytes + sum(batch.nbytes for batch in counts._batches)
    assert held <= 3 * 4 * 2000 * 256
