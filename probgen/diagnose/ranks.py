"""Ranks and rank correlations within chains.

Comparing draws only with draws of their own chain keeps one chain in another place from looking
like a relation between parameters.
"""

import numpy as np


def chain_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks 1..draws within each chain, ties averaged; last axis draws."""
    draws = values.shape[-1]
    flat = np.ascontiguousarray(values, dtype=float).reshape(-1, draws)
    # Many times as fast as scipy's, which sorts for ties whether there are any or not.
    order = np.argsort(flat, axis=1)
    ranks = np.empty_like(flat)
    np.put_along_axis(ranks, order, np.arange(1.0, draws + 1)[None], axis=1)
    ordered = np.take_along_axis(flat, order, axis=1)
    tied = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
    if len(tied):
        from scipy.stats import rankdata  # half a second, for which most results have no use

        ranks[tied] = rankdata(flat[tied], axis=1)
    return ranks.reshape(values.shape)


def rank_correlation(ranks: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Spearman's correlation within chains of one line of ranks with several.

    `ranks` is (chain, draw), `others` (parameter, chain, draw); the result is (parameter,), 0
    where a line is constant.
    """
    line = (ranks - ranks.mean(axis=-1, keepdims=True)).ravel()
    lines = (others - others.mean(axis=-1, keepdims=True)).reshape(len(others), -1)
    scale = np.sqrt((line**2).sum() * (lines**2).sum(axis=1))
    return np.divide(lines @ line, scale, out=np.zeros(len(lines)), where=scale > 0)


def separation(ranks: np.ndarray, marked: np.ndarray) -> tuple[np.ndarray, float]:
    """How well lines of ranks separate marked draws from the others of their chain.

    `ranks` is (parameter, chain, draw), `marked` (chain, draw). The first result, (parameter,),
    is the probability that a marked draw has the larger value: Mann-Whitney's U over its
    maximum, summed over the chains that have both kinds. The second is its standard deviation
    if there were no relation (infinite when no chain has both kinds).
    """
    larger, pairs, variance = np.zeros(len(ranks)), 0.0, 0.0
    for chain, flags in enumerate(marked):
        inside, outside = float(flags.sum()), float((~flags).sum())
        larger += ranks[:, chain, flags].sum(axis=1) - inside * (inside + 1) / 2
        pairs += inside * outside
        variance += inside * outside * (inside + outside + 1) / 12
    if pairs == 0.0:
        return np.full(len(ranks), 0.5), np.inf
    return larger / pairs, float(np.sqrt(variance)) / pairs
