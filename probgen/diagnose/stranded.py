"""Chains far below, or above, the others in log density: their means cannot differ so by chance.

The log density of a posterior of d dimensions spreads by about sqrt(d / 2) nats, and its mean
over a chain by less. A chain that is many times as far from the others has not arrived, or sits
in a mode without mass, whatever its R-hat of single parameters.
"""

import numpy as np
import pandas as pd

from probgen.diagnose.finding import Finding, Limits
from probgen.diagnose.record import Record
from probgen.diagnose.words import brief, chains_named, count_of

FAR = 4.0  # spreads of the log density between chains that cannot belong together
FEWEST = 4  # draws


def check_stranded(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """Chains whose mean log density is out of reach of the others'."""
    means, below, above, spread = groups_by_density(record)
    if not below and not above:
        return []
    apart = below or above
    others = [c for c in range(record.chains) if c not in below and c not in above]
    gap = float(abs(np.median(means[others]) - np.median(means[apart])))
    dimensions = count_of(int((record.latent & record.moving).sum()), "dimension")
    side, has = ("below" if below else "above"), "s" if len(apart) == 1 else "ve"
    message = (
        f"{chains_named(apart)} ha{has} a mean log density {brief(gap)} nats {side} that of the "
        f"others, {brief(gap / spread)} times its spread in {dimensions}."
    )
    if below:
        cause = (
            f"{'it' if len(apart) == 1 else 'they'} started far out and did not arrive, or fell "
            "into a mode that has no mass: such draws are none of the posterior"
        )
    else:
        cause = (
            f"either only {chains_named(apart)} arrived and the others are stranded, or "
            "it is caught in a narrow place, such as a spike or the neck of a funnel"
        )
    return [
        Finding(
            "stranded chains",
            "failure",
            message,
            cause,
            'start near the mass (init="pathfinder") or give a longer warm-up; leave a chain out '
            "only knowingly: if runs with other seeds end there too, it is a mode of its own",
            {f"chain {chain}": float(means[chain]) for chain in (*below, *above)},
        )
    ]


def groups_by_density(record: Record) -> tuple[np.ndarray, list[int], list[int], float]:
    """Mean log density of each chain, the chains below and above most of them, and the spread."""
    lp = record.stats.get("lp")
    none: tuple[list[int], list[int]] = ([], [])
    if lp is None or record.chains < 2 or record.draws < FEWEST or not np.isfinite(lp).all():
        return np.zeros(record.chains), *none, 1.0
    means = lp.astype(float).mean(axis=1)
    within = float(np.median(lp.astype(float).std(axis=1, ddof=1)))
    dimensions = int((record.latent & record.moving).sum())
    spread = max(within, np.sqrt(dimensions / 2), 1e-12)
    order = np.argsort(means)
    cuts = np.flatnonzero(np.diff(means[order]) > FAR * spread) + 1
    clusters = np.split(order, cuts)
    # The largest group; of equal ones the one highest up.
    main = max(range(len(clusters)), key=lambda k: (len(clusters[k]), k))
    below = sorted(int(c) for cluster in clusters[:main] for c in cluster)
    above = sorted(int(c) for cluster in clusters[main + 1 :] for c in cluster)
    return means, below, above, float(spread)
