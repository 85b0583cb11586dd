"""Do the chains agree, and are there enough independent draws? R-hat, ESS, MCSE.

The numbers come from the summary table, the reasons from `reasons.py`. A few scalars of many
slightly over a limit are what chance alone brings (with 1000 effective draws one scalar in a
thousand has an R-hat above 1.01): that is a warning, not a failure.
"""

import pandas as pd

from probgen.diagnose.finding import Finding, Limits
from probgen.diagnose.reasons import LONGEST_FACTOR, how_to_mix_better, why_chains_disagree
from probgen.diagnose.record import Record
from probgen.diagnose.words import count_of, percent, round_up
from probgen.diagnose.worst import (
    as_mapping,
    sampled_first,
    severity_by_share,
    worst_first,
    worst_list,
)

HARD_R_HAT = 1.05
MANY_CHAINS = 16
LEAST_PER_CHAIN = 10.0  # of fewer effective draws each, chains cannot be told apart
MOST_COUNTED = 10  # of more chains, no more effective draws are wanted than of so many


def check_r_hat(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """Rank-normalised split R-hat above the limit, with the chain or drift behind it."""
    limit = r_hat_limits(record, table, limits)
    over = worst_first(table["r_hat"], table["r_hat"] > limit, ascending=False)
    if over.empty:
        return []
    moving = int(record.moving.sum())
    hard = bool((over > (limit[over.index] + HARD_R_HAT - limits.r_hat).clip(HARD_R_HAT)).any())
    over = sampled_first(over, record.sampled)
    severity = severity_by_share(len(over), moving, hard)
    nested = ""
    if record.superchains is None:
        cause, advice = why_chains_disagree(record, str(over.index[0]))
    else:
        nested = f"nested, between {record.superchains.max() + 1} superchains: "
        cause = "chains still remember where their group was started"
        advice = "give a longer warm-up; more chains do not help"
    return [
        Finding(
            "R-hat",
            severity,
            f"{nested}above {limit[over.index[0]]:.3g} for {len(over)} of "
            f"{count_of(moving, 'scalar')}; worst: {worst_list(over, '.3f')}.",
            cause,
            advice,
            as_mapping(over),
        )
    ]


def r_hat_limits(record: Record, table: pd.DataFrame, limits: Limits) -> pd.Series:
    """The limit of R-hat by scalar: many short chains differ by chance alone.

    Means of chains of n effective draws vary by 1/n of the posterior's variance, so that R-hat
    is about sqrt(1 + 1/n) when all is well; twice that excess is allowed.
    """
    lowest = pd.Series(limits.r_hat, index=table.index)
    if record.superchains is not None:
        # One effective draw for each chain is the least there can be.
        each = record.chains / (record.superchains.max() + 1)
        return lowest.clip(lower=(1.0 + 2.0 / each) ** 0.5)
    if record.chains < MANY_CHAINS:
        return lowest
    per_chain = (table["ess_bulk"] / record.chains).clip(lower=LEAST_PER_CHAIN)
    return lowest.clip(lower=(1.0 + 2.0 / per_chain) ** 0.5).fillna(limits.r_hat)


def check_effective_sizes(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """Bulk and tail ESS below the number of effective draws wanted per chain."""
    wanted = limits.ess_per_chain * min(record.chains, MOST_COUNTED)
    moving = int(record.moving.sum())
    findings: list[Finding] = []
    for kind, meaning in (
        ("bulk", "means and medians rest on few independent draws"),
        ("tail", "interval ends and other tail quantities rest on few independent draws"),
    ):
        column = table[f"ess_{kind}"]
        low = worst_first(column, column < wanted, ascending=True)
        if low.empty:
            continue
        hard = bool(low.iloc[0] < wanted / 2)
        low = sampled_first(low, record.sampled)
        slow, advice = how_to_mix_better(record, str(low.index[0]), float(low.iloc[0]), wanted)
        if findings and str(low.index[0]) == next(iter(findings[0].sites)):
            slow, advice = "the same scalar is the worst in the bulk", "as for the bulk ESS"
        findings.append(
            Finding(
                f"{kind} ESS",
                severity_by_share(len(low), moving, hard),
                f"below {wanted:g} ({wanted / record.chains:.3g} per chain) for {len(low)} of "
                f"{count_of(moving, 'scalar')}; worst: {worst_list(low, '.0f')}.",
                f"{meaning}; {slow}",
                advice,
                as_mapping(low),
            )
        )
    return findings


def check_mcse(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """Monte Carlo error of the means as a share of the posterior sd."""
    share = table["mcse_mean"] / table["sd"]
    high = worst_first(share, share > limits.mcse_share, ascending=False)
    if high.empty:
        return []
    factor = (float(high.iloc[0]) / limits.mcse_share) ** 2
    high = sampled_first(high, record.sampled)
    return [
        Finding(
            "Monte Carlo error",
            "warning",
            f"of the mean above {percent(limits.mcse_share)} of the sd for "
            f"{count_of(len(high), 'scalar')}; worst: {worst_list(100 * high, '.0f', ' %')}.",
            "another run would give visibly different means",
            f"run about {round_up(factor)} times longer: draws={round_up(factor * record.draws)}"
            if factor <= LONGEST_FACTOR
            else "improve the mixing first (see ESS): a longer run alone would be very long",
            as_mapping(high),
        )
    ]
