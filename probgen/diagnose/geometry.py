"""Does the posterior's shape defeat the sampler? Divergences and the energy's E-BFMI.

Divergences (Betancourt 2017) mark regions of high curvature that the chains cannot enter, so the
draws are biased. Which parameter leads there is found by a rank statistic (the probability that
a divergent draw lies below another one), and which site narrows with it by the rank correlation
between that parameter and the site's spread: the two halves of a funnel.
"""

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from probgen.diagnose.finding import Finding, Limits, Severity
from probgen.diagnose.funnel import in_pyro, narrowing_sites, non_centred
from probgen.diagnose.record import Record
from probgen.diagnose.settings import target_acceptance
from probgen.diagnose.statistics import bfmi
from probgen.diagnose.words import brief, chains_named, count_of, percent, quoted, s_of

SEPARATING = 0.2  # distance of the rank statistic from 0.5 that is worth naming
SIGNIFICANT = 3.3  # standard deviations of the rank statistic under "no separation"
MANY = 10  # divergences in one region, of which this many are a failure
VERY_LOW_BFMI = 0.2
ENERGY_CORRELATION = 0.5


def check_divergences(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """Divergent draws: how many, in which chains, and where they concentrate."""
    diverging = record.stats.get("diverging")
    if diverging is None or not diverging.any():
        return []
    diverging = diverging.astype(bool)
    count, share = int(diverging.sum()), float(diverging.mean())
    places = separating_scalars(record, diverging)
    per_chain = diverging.sum(axis=1)
    message = f"{count_of(count, 'divergent draw')} of {diverging.size} ({percent(share)})"
    if record.chains > 1 and per_chain.max() > 0.8 * count and count >= MANY:
        message += f", nearly all in {chains_named([int(per_chain.argmax())])}"
    where, partners = where_they_are(record, diverging, places)
    concentrated = bool(places) and count >= MANY
    severity: Severity = (
        "failure" if share > limits.divergence_share or concentrated else "warning"
    )
    return [
        Finding(
            "divergences",
            severity,
            message + ".",
            where,
            how_to_cure_divergences(record, [name for name, _ in places], partners),
            dict(places),
        )
    ]


def separating_scalars(record: Record, diverging: np.ndarray) -> list[tuple[str, float]]:
    """Sampled scalars that tell divergent draws from the others, best first, at most three.

    The number is the probability that a divergent draw has the larger value (Mann-Whitney's U
    over its maximum): near 0 they sit at small values, near 1 at large ones, 0.5 says nothing.
    """
    candidates = np.flatnonzero(record.moving & record.latent)
    bad = diverging.ravel()
    n_bad, n_good = int(bad.sum()), int((~bad).sum())
    if not len(candidates) or n_good == 0:
        return []
    ranks = rankdata(record.values[candidates].reshape(len(candidates), -1), axis=1)
    larger = (ranks[:, bad].sum(axis=1) - n_bad * (n_bad + 1) / 2) / (n_bad * n_good)
    noise = np.sqrt((n_bad + n_good + 1) / (12 * n_bad * n_good))
    distance = np.abs(larger - 0.5)
    chosen: list[int] = []
    for i in np.argsort(-distance, kind="stable"):
        if len(chosen) == 3 or distance[i] < max(SEPARATING, SIGNIFICANT * noise):
            break
        # a parameter and its logarithm have the same statistic: say it once
        if all(abs(distance[i] - distance[other]) > 1e-9 for other in chosen):
            chosen.append(int(i))
    return [(record.names[candidates[i]], float(larger[i])) for i in chosen]


def where_they_are(
    record: Record, diverging: np.ndarray, places: list[tuple[str, float]]
) -> tuple[str, list[str]]:
    """Sentence on where divergent draws concentrate, and the sites that narrow there."""
    if not places:
        return (
            "they are not tied to a region of one parameter: the step size may just be too "
            "large for the most curved direction",
            [],
        )
    name, larger = places[0]
    draws = record.values[record.names.index(name)]
    inside, outside = np.median(draws[diverging]), np.median(draws[~diverging])
    side = "small" if larger < 0.5 else "large"
    sentence = (
        f"they concentrate at {side} `{name}` (median {brief(inside)} against {brief(outside)} "
        f"elsewhere; rank statistic {larger:.2f})"
    )
    if rest := [other for other, _ in places[1:]]:
        sentence += f", and differ in {quoted(rest)}"
    partners = narrowing_sites(record, name, side)
    if partners:
        sentence += (
            f"; {quoted(partners)} narrow{s_of(partners)} there: a funnel "
            "whose neck the step size is too large for"
        )
    return sentence, partners


def how_to_cure_divergences(record: Record, places: list[str], partners: list[str]) -> str:
    """The next step: a non-centred form for a funnel, else smaller steps, else another form."""
    if places and partners:
        return (
            f"reparametrise: {non_centred(partners, places[0])} (a standard normal site times the "
            f"scale; in Pyro: {in_pyro(partners)})"
        )
    target = target_acceptance(record)
    if target is None or target < 0.95:
        now = "" if target is None else f" (now {target:g})"
        step = f"raise target_accept to 0.95{now}"
    elif target < 0.99:
        step = f"raise target_accept to 0.99 (now {target:g})"
    else:
        step = "smaller steps are used up"
    form = f"reparametrise {quoted(places)}" if places else "look for funnels and hard edges"
    return f"{step}; if they stay, {form} or give a tighter prior"


def check_energy(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """E-BFMI per chain below the limit."""
    energy = record.stats.get("energy")
    if energy is None or record.draws < 3:
        return []
    fractions = bfmi(energy)
    low = [int(chain) for chain in np.argsort(fractions) if fractions[chain] < limits.bfmi]
    if not low:
        return []
    worst = float(fractions[low[0]])
    leaders = energy_leaders(record, energy)
    cause = "a new momentum changes the energy too little to reach all energies: heavy tails"
    cause += " or a funnel"
    if leaders:
        cause += f"; the energy goes with {quoted(leaders)}"
    partners = narrowing_sites(record, leaders[0], "small") if leaders else []
    if partners:
        form = non_centred(partners, leaders[0])
    else:
        sites = quoted(leaders) if leaders else "the scales of the hierarchy"
        form = f"reparametrise {sites} (non-centred form, lighter-tailed prior)"
    return [
        Finding(
            "E-BFMI",
            "failure" if worst < VERY_LOW_BFMI else "warning",
            f"below {limits.bfmi:g} in {chains_named(sorted(low), record.chains)} "
            f"(lowest {worst:.2f}).",
            cause,
            f"{form}, or give a longer warm-up",
            {f"chain {chain}": float(fractions[chain]) for chain in low},
        )
    ]


def energy_leaders(record: Record, energy: np.ndarray) -> list[str]:
    """Sampled scalars whose rank correlation with the energy is strong, at most two."""
    candidates = np.flatnonzero(record.moving & record.latent)
    if not len(candidates) or not np.isfinite(energy).all():
        return []
    ranks = rankdata(record.values[candidates].reshape(len(candidates), -1), axis=1)
    line = rankdata(energy.ravel())
    correlation = np.abs(np.corrcoef(np.vstack([line, ranks]))[0, 1:])
    order = np.argsort(-correlation)[:2]
    return [record.names[candidates[i]] for i in order if correlation[i] > ENERGY_CORRELATION]
