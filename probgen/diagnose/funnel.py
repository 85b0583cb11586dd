"""Which sites narrow as a scale shrinks: the other half of a funnel (Neal 2003).

Given the parameter at which divergences concentrate, the spread of every other sampled site is
compared with it draw by draw. In a funnel they go together; the centre of the site is taken out
(the mean over its scalars, or the median over draws for a single scalar), so that a group of
effects that moves as a whole is not mistaken for one.
"""

import numpy as np

from probgen.diagnose.ranks import chain_ranks, rank_correlation
from probgen.diagnose.record import Record
from probgen.diagnose.words import quoted

WIDE_ENOUGH = 4  # scalars of a site from which their spread in one draw is a stable number
STRONG, CLEAR = 0.5, 0.4  # rank correlations for a stable and for a noisy spread
SAME_THING = 0.99


def narrowing_sites(record: Record, scale: str, side: str) -> list[str]:
    """Sites, at most two, whose spread shrinks towards the given side of a scalar.

    `side` is "small" or "large": where the trouble is. Deterministic sites are left out, since
    only a site that is sampled can be given another form.
    """
    position = record.names.index(scale)
    line = chain_ranks(record.values[position])
    sign = 1.0 if side == "small" else -1.0
    found = []
    for site in dict.fromkeys(record.sites):
        members = record.of_site(site)
        members = members[record.moving[members] & record.latent[members] & (members != position)]
        if not len(members) or site == record.sites[position]:
            continue
        first = chain_ranks(record.values[members[:1]])
        if abs(rank_correlation(line, first)[0]) > SAME_THING:
            continue  # the scale itself on another scale, like its logarithm
        widths = chain_ranks(spread(record.values[members]))
        correlation = sign * float(rank_correlation(line, widths[None])[0])
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
    """Spread of a site's scalars (scalar, chain, draw) in each draw: (chain, draw)."""
    if len(values) >= WIDE_ENOUGH:
        return values.std(axis=0)
    centre = np.median(values, axis=(1, 2), keepdims=True)
    return np.abs(values - centre).mean(axis=0)
