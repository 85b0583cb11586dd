"""What can be wrong with the posterior of a network: stuck chains, rough numbers, approximations.

R-hat and ESS are those of the indicator function of every state. Chains caught between zeros or
strong couplings disagree about some state, or about the log joint as a whole. Engines for
networks run many chains, so R-hat has a limit that grows with their number: with n effective
draws in each of them it is about sqrt(1 + 1 / n) even when all is well.
"""

import math

import numpy as np
import pandas as pd

from probgen.diagnose.draw_statistics import statistics
from probgen.diagnose.finding import Finding, Limits
from probgen.diagnose.network_record import NetworkRecord
from probgen.diagnose.notes import findings_on_notes
from probgen.diagnose.run_size import SHORT_RUN, findings_on_size
from probgen.diagnose.words import chains_named, count_of, percent, round_up
from probgen.diagnose.worst import as_mapping, severity_by_share, worst_first, worst_list

WANTED_ESS = 400.0  # effective draws of every indicator, all chains together
FEWEST_ESS = 100.0  # below, neither errors nor R-hat can be relied on
FEWEST_EFFECTIVE = 5.0  # draws of every chain, however many there are
LARGEST_ERROR = 0.01  # Monte Carlo standard error of a probability
FEWEST_DRAWS = 8
HARD_MARGIN = 0.04  # over the limit: no accident, even for a single state
TRAPPED = (
    "some chains are caught in a part of the states: hard constraints (zeros) or strong "
    "couplings keep updates of single variables from leaving it"
)
APPROXIMATE = {
    "BeliefPropagation": (
        "the factor graph has loops: marginals and log evidence are approximations, and nothing "
        "here measures their error.",
        "messages that return through a loop count the same evidence twice",
        "compare with Exact() if the network is narrow enough, with Gibbs() otherwise",
    ),
    "MeanField": (
        "marginals are those of independent variables: they tend to be too sure, and nothing "
        "here measures their error.",
        "ties between variables are replaced by their mean effect; hard ones (zeros) are lost",
        "compare with Exact() if the network is narrow enough, with Gibbs() otherwise",
    ),
}
"""method -> what to say, why, and what to do."""
ESCAPE = "take Exact() if the network is narrow enough, ParallelTempering() otherwise"


def r_hat_limit(chains: int, limits: Limits) -> float:
    """R-hat above this is a disagreement: fewer effective draws per chain than are wanted."""
    wanted = max(WANTED_ESS / max(chains, 1), FEWEST_EFFECTIVE)
    return max(limits.r_hat, math.sqrt(1 + 1 / wanted))


def check_sampler_notes(record: NetworkRecord, limits: Limits) -> list[Finding]:
    """Notes of the engine as findings."""
    return findings_on_notes(record.attrs, record.chains, record.draws)


def check_enough(record: NetworkRecord, limits: Limits) -> list[Finding]:
    """Too few chains or draws of a sampler; independent draws of exact engines are not judged."""
    if not record.sampled or record.log_joint is None:
        return []
    return findings_on_size(record.chains, record.draws, limits)


def check_approximate(record: NetworkRecord, limits: Limits) -> list[Finding]:
    """Marginals of an engine whose error nothing in the result measures."""
    method = record.attrs.get("method", "")
    if method not in APPROXIMATE or record.attrs.get("exact"):
        return []
    return [Finding("approximation", "warning", *APPROXIMATE[method])]


def check_converged(record: NetworkRecord, limits: Limits) -> list[Finding]:
    """An iterative engine that stopped before it converged."""
    said = "did not converge" in str(record.attrs.get("notes"))  # by the engine, with numbers
    if said or record.attrs.get("converged", 1) not in (0, False, "False"):
        return []
    return [
        Finding(
            "convergence",
            "failure",
            f"{record.attrs.get('method', 'the engine')} did not converge.",
            "messages keep circling in loops with strong couplings",
            "more damping (damping=0.7) or more iterations; else Exact() or Gibbs()",
        )
    ]


def check_indicator_r_hat(record: NetworkRecord, limits: Limits) -> list[Finding]:
    """Chains that disagree about the probability of some state."""
    column = record.table["r_hat"]
    limit = r_hat_limit(record.chains, limits)
    over = worst_first(column, column > limit, ascending=False)
    if over.empty:
        return []
    judged = int(column.notna().sum())
    return [
        Finding(
            "R-hat",
            severity_by_share(len(over), judged, bool(over.iloc[0] > limit + HARD_MARGIN)),
            f"above {limit:.3g} for {len(over)} of {count_of(judged, 'state')}; "
            f"worst: {worst_list(over, '.3f')}.",
            *why_chains_disagree(record, float(over.iloc[0]), limit),
            as_mapping(over),
        )
    ]


def why_chains_disagree(record: NetworkRecord, worst: float, limit: float) -> tuple[str, str]:
    """Cause and advice for an R-hat over its limit."""
    if record.chains == 1:
        return "the parts of the one chain differ: it wanders slowly", "run longer, and 4 chains"
    if 0 < record.draws < SHORT_RUN:
        return "the chains are too short to agree", "run longer: draws=1000"
    if worst <= limit + HARD_MARGIN:
        return "the chains move slowly through these states", f"run longer; if it stays, {ESCAPE}"
    return TRAPPED, ESCAPE


def check_log_joint(record: NetworkRecord, limits: Limits) -> list[Finding]:
    """Chains that live at different levels of the log joint."""
    values = record.log_joint
    if values is None or record.chains < 2 or record.draws < FEWEST_DRAWS:
        return []
    if not record.sampled:  # independent draws of an exact engine
        return []
    values = values.reshape(-1, record.chains, record.draws)
    moving = np.flatnonzero(np.isfinite(values).all((1, 2)) & (np.ptp(values, (1, 2)) > 0))
    if not len(moving):
        return []
    r_hat = float(np.nanmax([*statistics(values, moving, ())["r_hat"], -np.inf]))
    if r_hat <= r_hat_limit(record.chains, limits) + HARD_MARGIN:
        return []
    return [
        Finding(
            "R-hat of the log joint",
            "failure",
            f"{r_hat:.3f}: the chains live at different levels.",
            TRAPPED,
            ESCAPE,
        )
    ]


def check_stuck_chains(record: NetworkRecord, limits: Limits) -> list[Finding]:
    """Chains in which hardly anything ever changes."""
    if record.repeats is None or record.draws < FEWEST_DRAWS:
        return []
    free = record.table.groupby("variable")["probability"].max()
    if not (free < 0.99).any():  # a posterior in one state stands still by right
        return []
    stuck = [int(c) for c in np.flatnonzero(record.repeats > limits.repeat_share)]
    typical = float(np.median(record.repeats))
    stuck = [c for c in stuck if record.repeats[c] > 0.5 + 0.5 * typical]
    if not stuck:
        return []
    return [
        Finding(
            "stuck chains",
            "failure",
            f"{chains_named(stuck, record.chains)}: {percent(limits.repeat_share)} or more of "
            "the draws repeat the one before.",
            TRAPPED,
            ESCAPE,
            {f"chain {chain}": float(record.repeats[chain]) for chain in stuck},
        )
    ]


def check_effective(record: NetworkRecord, limits: Limits) -> list[Finding]:
    """Few effective draws of some indicator, or a visible Monte Carlo error."""
    findings = []
    ess, error = record.table["ess"], record.table["mcse"]
    low = worst_first(ess, ess < WANTED_ESS, ascending=True)
    if not low.empty:
        factor = WANTED_ESS / max(float(low.iloc[0]), 1.0)
        findings.append(
            Finding(
                "ESS",
                "failure" if low.iloc[0] < FEWEST_ESS else "warning",
                f"below {WANTED_ESS:g} for {count_of(len(low), 'state')}; "
                f"worst: {worst_list(low, '.0f')}.",
                "few independent draws of these states",
                f"run about {round_up(factor)} times longer, or take ParallelTempering()",
                as_mapping(low),
            )
        )
    rough = worst_first(error, error > LARGEST_ERROR, ascending=False)
    if not rough.empty:
        factor = (float(rough.iloc[0]) / LARGEST_ERROR) ** 2
        findings.append(
            Finding(
                "Monte Carlo error",
                "warning",
                f"above {LARGEST_ERROR:g} for the probability of "
                f"{count_of(len(rough), 'state')}; worst: {worst_list(rough, '.3f')}.",
                "another run would give visibly different probabilities",
                f"run about {round_up(factor)} times longer",
                as_mapping(rough),
            )
        )
    return findings


def check_never_seen(record: NetworkRecord, limits: Limits) -> list[Finding]:
    """States that no draw visited: impossible, or only rare."""
    if not record.sampled:
        return []
    unseen: pd.Series = record.table["probability"][record.table["probability"] == 0]
    if unseen.empty:
        return []
    return [
        Finding(
            "unseen states",
            "note",
            f"{count_of(len(unseen), 'state')} never drawn, such as `{unseen.index[0]}`: "
            "impossible, or too rare for this many draws.",
        )
    ]
