"""Rank statistics within chains, against scipy on one chain, and blind to shifted chains."""

import numpy as np
import pytest
import scipy.stats
from synthetic_runs import normal, rng

from probgen.diagnose.ranks import chain_ranks, rank_correlation, separation


def test_correlation_of_one_chain_is_spearmans():
    x, y = normal(1, chains=1), normal(2, chains=1)
    y = np.round(y + 0.5 * x, 1)  # with ties
    ours = rank_correlation(chain_ranks(x), chain_ranks(y)[None])
    assert ours[0] == pytest.approx(scipy.stats.spearmanr(x[0], y[0]).statistic)


def test_separation_of_one_chain_is_mann_whitneys():
    x = normal(3, chains=1)
    marked = x + normal(4, chains=1) < -1.5
    larger, noise = separation(chain_ranks(x)[None], marked)
    inside, outside = x[marked], x[~marked]
    test = scipy.stats.mannwhitneyu(inside, outside, method="asymptotic", use_continuity=False)
    assert larger[0] == pytest.approx(test.statistic / (inside.size * outside.size))
    z = (larger[0] - 0.5) / noise
    assert 2 * scipy.stats.norm.sf(abs(z)) == pytest.approx(test.pvalue, rel=1e-6)


def test_a_chain_in_another_place_is_no_relation():
    x, y = normal(1), normal(2)
    x[2] += 50
    y[2] += 50
    assert abs(rank_correlation(chain_ranks(x), chain_ranks(y)[None])[0]) < 0.1
    marked = np.zeros(x.shape, dtype=bool)
    marked[2] = True
    marked[0] = rng(5).random(x.shape[1]) < 0.05
    larger, _ = separation(chain_ranks(x)[None], marked)
    assert abs(larger[0] - 0.5) < 0.15


def test_nothing_to_compare():
    x = normal(1)
    larger, noise = separation(chain_ranks(x)[None], np.ones(x.shape, dtype=bool))
    assert larger[0] == 0.5
    assert noise == np.inf
    assert rank_correlation(chain_ranks(np.zeros_like(x)), chain_ranks(x)[None])[0] == 0
