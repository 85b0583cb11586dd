"""Many chains: how far R-hat may rise by chance, and single chains that R-hat cannot see.

Means of chains of n effective draws vary by 1/n of the posterior's variance, those of their
halves by 2/n, so that split R-hat is about sqrt(1 + 2/n) when all is well. And one chain of
hundreds in another place moves neither R-hat nor ESS: it is found by its distance from the rest.
"""

import numpy as np
import pandas as pd
from scipy.special import chdtri

from probgen.diagnose.draw_statistics import effective_size, normal_scores
from probgen.diagnose.finding import Finding, Limits
from probgen.diagnose.modes import check_modes
from probgen.diagnose.record import Record
from probgen.diagnose.run_size import FEWEST_DRAWS
from probgen.diagnose.stranded import groups_by_density
from probgen.diagnose.words import brief, chains_named, quoted, s_of

MANY_CHAINS = 16
LEAST_PER_CHAIN = 10.0  # of fewer effective draws each, chains cannot be told apart
BY_CHANCE = 0.001  # probability that chance exceeds its bound
LEAST_EXCESS = 2.0  # over what is expected: short chains look better mixed than they are
APART = 1.0  # posterior sds between a chain's mean and the median chain's, in normal scores
FAR = 6.0  # and the same in robust sds of the chains' means


def r_hat_limits(record: Record, table: pd.DataFrame, limits: Limits) -> pd.Series:
    """The limit of R-hat by scalar: where chains are many, at least what chance alone brings."""
    lowest = pd.Series(limits.r_hat, index=table.index)
    if record.superchains is not None:
        # One effective draw for each chain is the least there can be.
        each = record.chains / (record.superchains.max() + 1)
        return lowest.clip(lower=(1.0 + 2.0 / each) ** 0.5)
    if record.chains >= MANY_CHAINS:
        high = np.flatnonzero(table["r_hat"] > limits.r_hat)
        lowest.iloc[high] = np.fmax(limits.r_hat, highest_by_chance(record, high))
    return lowest


def highest_by_chance(record: Record, chosen: np.ndarray) -> np.ndarray:
    """The R-hat that chance alone hardly ever exceeds, of the scalars `chosen`.

    The halves of chains of n effective draws have means of variance 2/n, whose estimate has a
    chi-squared distribution. Effective draws are counted inside the chains, so that chains which
    disagree do not raise their own limit.
    """
    if not len(chosen):
        return np.zeros(0)
    parts = record.by_block(
        chosen, lambda _, values: effective_size(normal_scores(values), between=False)
    )
    per_chain = np.maximum(np.concatenate(parts) / record.chains, LEAST_PER_CHAIN)
    freedom = 2 * record.chains - 1
    excess = max(chdtri(freedom, BY_CHANCE) / freedom, LEAST_EXCESS)
    return np.asarray(np.sqrt(1.0 + 2.0 / per_chain * excess))


def check_outlying(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """Single chains of many that lie apart from all the others along a sampled scalar."""
    candidates = np.flatnonzero(record.moving & record.latent)
    if record.chains < MANY_CHAINS or record.draws < FEWEST_DRAWS or not len(candidates):
        return []
    _, below, above, _ = groups_by_density(record)
    if below or above:
        return []
    parts = record.by_block(candidates, lambda _, values: outliers(values))
    far = np.concatenate(parts)
    apart = np.flatnonzero(far.any(axis=0)).tolist()
    if not apart or check_modes(record, table, limits):
        return []
    rows = candidates[far.any(axis=1)]
    first = int(rows[0])
    means = record.values[first].mean(axis=1)
    here = np.flatnonzero(far[candidates == first][0]).tolist()
    return [
        Finding(
            "outlying chains",
            "failure",
            f"{chains_named(apart)} lie{s_of(apart)} apart from the others, in "
            f"{quoted(record.names[row] for row in rows)}: mean of `{record.names[first]}` "
            f"{brief(float(means[here].mean()))} against {brief(float(np.median(means)))} in the "
            "median chain.",
            f"{'it' if len(apart) == 1 else 'they'} did not arrive, or sit{s_of(apart)} in a mode "
            "apart: among so many chains R-hat and ESS hardly notice",
            "give a longer warm-up or better starts (init); leave a chain out only knowingly: if "
            "runs with other seeds end there too, it is a mode of its own",
            {f"chain {chain}": float(means[chain]) for chain in apart},
        )
    ]


def outliers(values: np.ndarray) -> np.ndarray:
    """Mask (parameter, chain): the chain's mean is far from the median chain's.

    Means are those of normal scores over all draws, which heavy tails cannot stretch.
    """
    means = normal_scores(values).mean(axis=2)
    distance = np.abs(means - np.median(means, axis=1, keepdims=True))
    spread = 1.4826 * np.median(distance, axis=1, keepdims=True)
    return np.asarray((distance > APART) & (distance > FAR * spread))
