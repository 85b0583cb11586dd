"""Were the trajectories long enough and the steps well tuned? Depth, acceptance, step size.

A tree that stops at its depth limit makes short moves: the draws are right but dear. A mean
acceptance far from its target, or one chain with a far smaller step than the others, says that
warm-up ended before the step size had settled or that a chain sits in another region.
"""

import numpy as np
import pandas as pd

from probgen.diagnose.finding import Finding, Limits
from probgen.diagnose.record import Record
from probgen.diagnose.settings import depth_limit, follow_correlations, target_acceptance
from probgen.diagnose.words import brief, chains_named, count_of, percent

POOR_ACCEPTANCE = 0.4  # poor whatever the target, for trajectories
STEP_RATIO = 10.0
WELL_ABOVE = 0.15


def check_tree_depth(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """Draws whose trajectory was cut at the largest tree depth."""
    limit = depth_limit(record)
    reached = record.stats.get("reached_max_depth")
    depth = record.stats.get("tree_depth")
    if reached is None and depth is not None and limit is not None:
        reached = depth >= limit
    if reached is None:
        return []
    share = float(np.mean(reached.astype(bool)))
    if share <= limits.depth_share:
        return []
    at = f" ({limit:g})" if limit is not None else ""
    more = f"raise max_tree_depth to {limit + 2:g}" if limit is not None else "raise the limit"
    per_chain = reached.astype(bool).mean(axis=1)
    return [
        Finding(
            "tree depth",
            "warning",
            f"{percent(share)} of the draws stopped at the largest tree depth{at}.",
            "trajectories are cut before they turn: scales differ widely or parameters are "
            "strongly correlated, so that steps must be small against the posterior's width",
            "rescale predictors, or give a longer warm-up; if two sites correlate strongly, "
            f"{follow_correlations(record)}; if the ESS is still low, {more}",
            {f"chain {chain}": float(value) for chain, value in enumerate(per_chain)},
        )
    ]


def check_acceptance(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """Mean acceptance rate of each chain against its target."""
    rate = record.stats.get("acceptance_rate")
    if rate is None:
        return []
    means = np.nanmean(np.where(np.isfinite(rate), rate, 0.0), axis=1)
    target = target_acceptance(record)
    floor = POOR_ACCEPTANCE if target is None else target - limits.acceptance_gap
    low = [int(chain) for chain in np.argsort(means) if means[chain] < floor]
    if low:
        aim = "" if target is None else f"; the target is {target:g}"
        return [
            Finding(
                "acceptance",
                "warning",
                f"mean acceptance {means[low[0]]:.2f} in "
                f"{chains_named(sorted(low), record.chains)}{aim}.",
                "the step size was not settled when warm-up ended, or the draws reached regions "
                "more curved than those seen in warm-up",
                "give a longer warm-up"
                + (f" or raise target_accept above {target:g}" if target is not None else ""),
                {f"chain {chain}": float(means[chain]) for chain in low},
            )
        ]
    high = [] if target is None else [int(c) for c in np.flatnonzero(means > target + WELL_ABOVE)]
    if not high:
        return []
    return [
        Finding(
            "acceptance",
            "note",
            f"mean acceptance {means.max():.2f} in {chains_named(high, record.chains)}, well "
            f"above its target {target:g}: the draws are right, the steps smaller than need be.",
            sites={f"chain {chain}": float(means[chain]) for chain in high},
        )
    ]


def check_step_size(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """A chain whose step size is far smaller than that of the others."""
    step = record.stats.get("step_size")
    if step is None or record.chains < 2:
        return []
    medians = np.median(step.astype(float), axis=1)
    middle = float(np.median(medians))
    small = [int(chain) for chain in np.flatnonzero(medians * STEP_RATIO < middle)]
    if not small:
        return []
    return [
        Finding(
            "step size",
            "warning",
            f"{brief(float(medians.min()))} in {chains_named(small)}, {brief(middle)} in the "
            f"median of {count_of(record.chains, 'chain')}.",
            "these chains sit in a region of far higher curvature, or met one during warm-up",
            "look at their traces; give a longer warm-up or better starts (init)",
            {f"chain {chain}": float(medians[chain]) for chain in small},
        )
    ]
