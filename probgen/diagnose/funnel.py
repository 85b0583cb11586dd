"""Which sites narrow as a scale shrinks: the other half of a funnel (Neal 2003).

Given the parameter at which divergences concentrate, the spread of every other sampled site is
compared with it draw by draw. In a funnel they go together; the centre of the site is taken out
(the mean over its scalars, or the median over draws for a single scalar), so that a group of
effects that moves as a whole is not mistaken for one.
"""

import numpy as np
from scipy.stats import rankdata

from probgen.diagnose.record import Record
from probgen.diagnose.words import quoted

WIDE_ENOUGH = 4  # scalars of a site from which their spread in one draw is a stable number
STRONG, CLEAR = 0.5, 0.3  # rank correlations for a stable and for a noisy spread
SAME_THING = 0.99


def narrowing_sites(record: Record, scale: str, side: str) -> list[str]:
    """Sites, at most two, whose spread shrinks towards the given side of a scalar.

    `side` is "small" or "large": where the trouble is. Deterministic sites are left out, since
    only a site that is sampled can be given another form.
    """
    position = record.names.index(scale)
    line = rankdata(record.values[position].ravel())
    sign = 1.0 if side == "small" else -1.0
    found = []
    for site in dict.fromkeys(record.sites):
        members = record.of_site(site)
        members = members[record.moving[members] & record.latent[members] & (members != position)]
        if not len(members) or site == record.sites[position]:
            continue
        if abs(rank_correlation(line, record.values[members[0]].ravel())) > SAME_THING:
            continue  # the scale itself on another scale, like its logarithm
        correlation = sign * rank_correlation(line, spread(record.values[members]))
        if correlation > (STRONG if len(members) >= WIDE_ENOUGH else CLEAR):
            found.append((correlation, site))
    return [site for _, site in sorted(found, reverse=True)[:2]]


def non_centred(partners: list[str], scale: str) -> str:
    """The cure for a funnel, in words."""
    return f"write {quoted(partners)} in non-centred form, given `{scale}`"


def in_pyro(partners: list[str]) -> str:
    """The cure for a funnel, in code."""
    config = ", ".join(f'"{site}": LocScaleReparam(0)' for site in partners)
    return f"poutine.reparam(model, config={{{config}}})"


def spread(values: np.ndarray) -> np.ndarray:
    """Spread of a site's scalars (scalar, chain, draw) in each draw, flattened."""
    flat = values.reshape(len(values), -1)
    if len(flat) >= WIDE_ENOUGH:
        return flat.std(axis=0)
    return np.abs(flat - np.median(flat, axis=1, keepdims=True)).mean(axis=0)


def rank_correlation(ranks: np.ndarray, other: np.ndarray) -> float:
    """Spearman's correlation of ranks with another line of numbers; 0 when one is constant."""
    if np.ptp(other) == 0 or np.ptp(ranks) == 0:
        return 0.0
    return float(np.corrcoef(ranks, rankdata(other))[0, 1])
