"""Do the chains agree, and are there enough independent draws? R-hat, ESS, MCSE.

The numbers come from the summary table, the reasons from `reasons.py`. A few scalars of many
slightly over a limit are what chance alone brings (with 1000 effective draws one scalar in a
thousand has an R-hat above 1.01, with 400 one in three): that is a warning, not a failure.
"""

import pandas as pd

from probgen.diagnose.finding import Finding, Limits, Severity
from probgen.diagnose.many_chains import highest_by_chance, r_hat_limits
from probgen.diagnose.reasons import (
    LONGEST_FACTOR,
    MIXING_WELL,
    how_to_mix_better,
    why_chains_disagree,
)
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
ENOUGH = 400.0  # effective draws in all, of which errors are known (Vehtari et al. 2021)


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
    if severity == "failure" and not hard and chance_may_be_all(record, table, over):
        severity = "warning"
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


def chance_may_be_all(record: Record, table: pd.DataFrame, over: pd.Series) -> bool:
    """Whether chains of enough effective draws may have R-hats so high and agree none the less."""
    sizes = table.loc[over.index, ["ess_bulk", "ess_tail"]].to_numpy()
    if record.superchains is not None or not (sizes >= ENOUGH).all():
        return False
    return bool((over <= highest_by_chance(record, table.index.get_indexer(over.index))).all())


def check_effective_sizes(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """Bulk and tail ESS below the number of effective draws wanted per chain."""
    wanted = limits.wanted_ess(record.chains)
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
        hard, enough = low.iloc[0] < wanted / 2, low.iloc[0] >= ENOUGH
        severity: Severity = (
            "warning" if enough else severity_by_share(len(low), moving, bool(hard))
        )
        low = sampled_first(low, record.sampled)
        slow, advice = how_to_mix_better(record, str(low.index[0]), float(low.iloc[0]), wanted)
        if findings and str(low.index[0]) == next(iter(findings[0].sites)):
            slow, advice = "the same scalar is the worst in the bulk", "as for the bulk ESS"
        findings.append(
            Finding(
                f"{kind} ESS",
                severity,
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
    mixes = table.loc[high.index[0], "ess_bulk"] > MIXING_WELL * record.chains * record.draws
    high = sampled_first(high, record.sampled)
    return [
        Finding(
            "Monte Carlo error",
            "warning",
            f"of the mean above {percent(limits.mcse_share)} of the sd for "
            f"{count_of(len(high), 'scalar')}; worst: {worst_list(100 * high, '.0f', ' %')}.",
            "another run would give visibly different means",
            f"run about {round_up(factor)} times longer: draws={round_up(factor * record.draws)}"
            if factor <= LONGEST_FACTOR or mixes
            else "improve the mixing first (see ESS): a longer run alone would be very long",
            as_mapping(high),
        )
    ]
