"""Why chains disagree or mix slowly: the reason behind a bad R-hat or ESS, and its cure.

Looks at the draws of the worst scalar: groups of chains far apart (a dead end when their log
density is lower, several modes when it is not), a drift within a chain, or a strong correlation
with another scalar.
"""

import numpy as np

from probgen.diagnose.funnel import narrowing_sites, non_centred
from probgen.diagnose.mixing import each_chain_mixes
from probgen.diagnose.record import Record
from probgen.diagnose.settings import follow_correlations
from probgen.diagnose.words import brief, chains_named, round_up, s_of

APART = 1.0  # gap between chain means, in within-chain sds, that makes two groups of chains
STANDING = 0.95  # share of draws like the one before, in a chain that hardly moves
DRIFT = 0.7  # same, between the halves of one chain
LONGEST_FACTOR = 10.0  # a run that must be longer than this wants a better geometry instead
STRONG_CORRELATION = 0.9
MIXING_WELL = 0.2  # effective draws a draw: nothing to reparametrise


def why_chains_disagree(record: Record, worst: str) -> tuple[str, str]:
    """Cause and advice for a high R-hat, from the draws of the worst scalar."""
    position = record.names.index(worst)
    draws = record.values[position]
    if "improper" in str(record.attrs.get("notes", "")):
        return "a site runs away (see the sampler's note)", "give that site a proper prior first"
    within = float(np.median(draws.std(axis=1, ddof=1)))
    repeated = (draws[:, 1:] == draws[:, :-1]).mean(axis=1)
    if within == 0.0 or (record.latent[position] and repeated.max() > STANDING):
        return never_moving(record, worst)
    halves = np.stack([draws[:, : record.draws // 2], draws[:, record.draws // 2 :]]).mean(axis=2)
    drifting = [int(c) for c in np.flatnonzero(np.abs(halves[1] - halves[0]) > DRIFT * within)]
    if apart := chains_apart(draws.mean(axis=1), within):
        return why_apart(record, worst, apart, draws)
    if drifting:
        return (
            f"{chains_named(drifting, record.chains)} still drift{s_of(drifting)} along "
            f"`{worst}`: the first half of the draws differs from the second",
            "give a longer warm-up (warmup=2000 or more) and more draws"
            if not (form := funnel_form(record, worst))
            else f"{form}, or give a much longer warm-up",
        )
    return (
        f"the chain{'s wander' if record.chains > 1 else ' wanders'} too slowly along `{worst}` "
        f"to agree in {record.draws} draws",
        f"{better_form(record, worst)}, or run longer (draws={round_up(4 * record.draws)})",
    )


def never_moving(record: Record, worst: str) -> tuple[str, str]:
    """Cause and advice for a scalar that stays at one value in most chains."""
    if record.latent[record.names.index(worst)]:
        return "a chain hardly moves (see stuck chains)", "first cure the stuck chains"
    return (
        f"`{worst}` has one value in most of the chains, and not the same in all of them: each "
        "may have found another mode",
        several_modes(),
    )


def chains_apart(means: np.ndarray, within: float) -> list[int]:
    """The smaller group of chains when chain means fall in two clearly separate groups."""
    if len(means) < 2:
        return []
    order = np.argsort(means)
    gaps = np.diff(means[order])
    cut = int(np.argmax(gaps))
    if gaps[cut] < APART * within:
        return []
    low, high = order[: cut + 1], order[cut + 1 :]
    smaller = low if len(low) < len(high) else high
    return sorted(int(chain) for chain in smaller)


def why_apart(record: Record, worst: str, apart: list[int], draws: np.ndarray) -> tuple[str, str]:
    """Cause and advice for chains in another place: a dead end when lp is lower, else a mode."""
    others = [chain for chain in range(record.chains) if chain not in apart]
    here, there = draws[apart].mean(), draws[others].mean()
    cause = (
        f"{chains_named(apart)} sit{s_of(apart)} elsewhere: mean of `{worst}` {brief(here)} "
        f"against {brief(there)} in the other{'s' if len(others) > 1 else ''}"
    )
    partner, correlation = strongest_partner(record, worst)
    if partner:
        return (
            f"{cause}, along the ridge on which `{worst}` and `{partner}` lie (correlation "
            f"{correlation:.2f})",
            f"give a longer warm-up, {follow_correlations(record)}",
        )
    lp = record.stats.get("lp")
    if lp is None:
        return cause, several_modes()
    drop = float(np.median(lp[others]) - np.median(lp[apart]))
    scale = float(np.median(np.std(lp, axis=1))) + 1e-12
    if drop > 2 * scale:
        return (
            f"{cause}; the log density there is lower by {brief(drop)}: not yet arrived, or "
            "caught in a minor mode",
            "give a longer warm-up or better starts (init), and look at that chain's trace; "
            "if it returns there with another seed, the posterior has several modes",
        )
    if not each_chain_mixes(record, record.names.index(worst)):
        return (
            f"{cause}, at a similar log density; single chains do not mix either, so that these "
            "may be slow chains as well as several modes",
            f"{better_form(record, worst)}, or run longer (draws={round_up(4 * record.draws)}), "
            "and see whether chains cross",
        )
    return f"{cause}, at a similar log density: the posterior has several modes", several_modes()


def several_modes() -> str:
    """Advice for a posterior with several modes."""
    return (
        "do not average over the chains; if sites can swap their roles (mixtures, factor signs), "
        "order them or fix a sign; otherwise run more chains from other starts"
    )


def how_to_mix_better(record: Record, worst: str, ess: float, wanted: float) -> tuple[str, str]:
    """Why the worst scalar mixes slowly, and whether a longer run or a new form is the cure."""
    draws = record.values[record.names.index(worst)]
    if chains_apart(draws.mean(axis=1), float(np.median(draws.std(axis=1)))):
        return f"the chains do not agree on `{worst}`", "make the chains agree first"
    factor = wanted / max(ess, 1.0)
    longer = f"run longer: draws={round_up(1.2 * factor * record.draws)}"
    partner, correlation = strongest_partner(record, worst)
    if partner:
        cause = f"`{worst}` and `{partner}` correlate at {correlation:.2f}, which slows the chains"
        cure = follow_correlations(record)
    else:
        share = ess / (record.chains * record.draws)
        if share > MIXING_WELL:
            return "the chains mix well, but are short", longer
        cause = f"one effective draw of `{worst}` takes about {1 / max(share, 1e-9):.0f} draws"
        cure = better_form(record, worst)
    if factor <= LONGEST_FACTOR:
        return cause, f"{longer}, or {cure}" if partner or factor > 2 else longer
    return cause, f"{cure}; more draws alone would have to be {round_up(factor)} times as many"


def better_form(record: Record, worst: str) -> str:
    """Which site to write in another form when `worst` mixes slowly."""
    return funnel_form(record, worst) or (
        f"reparametrise `{worst}` (non-centred form, other scale)"
    )


def funnel_form(record: Record, worst: str) -> str:
    """The cure for a funnel at small values of `worst`; "" when no site narrows there."""
    if not record.latent[record.names.index(worst)]:
        return ""
    partners = narrowing_sites(record, worst, "small")
    return non_centred(partners, worst) if partners else ""


def strongest_partner(record: Record, worst: str) -> tuple[str, float]:
    """Sampled scalar with the strongest linear correlation to `worst`, if it is strong."""
    target = record.names.index(worst)
    candidates = np.flatnonzero(record.moving & record.latent)
    candidates = candidates[candidates != target]
    if not len(candidates) or not record.latent[target]:
        return "", 0.0
    line = record.values[target].ravel()
    line = line - line.mean()

    def with_line(_: np.ndarray, values: np.ndarray) -> np.ndarray:
        flat = values.reshape(len(values), -1)
        flat = flat - flat.mean(axis=1, keepdims=True)
        return flat @ line / (np.sqrt((flat**2).sum(axis=1) * (line**2).sum()) + 1e-300)

    correlation = np.concatenate(record.by_block(candidates, with_line))
    best = int(np.argmax(np.abs(correlation)))
    if abs(correlation[best]) < STRONG_CORRELATION:
        return "", 0.0
    return record.names[candidates[best]], float(correlation[best])
