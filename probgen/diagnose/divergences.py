"""Divergences: how many, where they concentrate, and which form of the model would cure them.

Divergences (Betancourt 2017) mark regions of high curvature that the chains cannot enter, so the
draws are biased. Which parameter leads there is found by a rank statistic (the probability that
a divergent draw lies above another one of its chain), and which site narrows with it by the rank
correlation between that parameter and the site's spread: the two halves of a funnel.
"""

import numpy as np
import pandas as pd

from probgen.diagnose.finding import Finding, Limits, Severity
from probgen.diagnose.funnel import in_pyro, narrowing_sites, non_centred
from probgen.diagnose.ranks import chain_ranks, separation
from probgen.diagnose.record import Record
from probgen.diagnose.settings import smaller_steps
from probgen.diagnose.words import brief, chains_named, count_of, percent, quoted, s_of

SEPARATING = 0.2  # distance of the rank statistic from 0.5 that is worth naming
SIGNIFICANT = 3.3  # standard deviations of the rank statistic under "no separation"
MANY = 10  # divergences in one region, of which this many are a failure
CAUGHT = 0.5  # share of a chain's draws that diverge when it is caught in a bad place
ELSEWHERE = 0.25  # and the share in the others that makes it that chain's own trouble


def check_divergences(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """Divergent draws: how many, in which chains, and where they concentrate."""
    diverging = record.stats.get("diverging")
    if diverging is None or not diverging.any():
        return []
    diverging = diverging.astype(bool)
    count, share = int(diverging.sum()), float(diverging.mean())
    message = f"{count_of(count, 'divergent draw')} of {diverging.size} ({percent(share)})"
    per_chain = diverging.sum(axis=1)
    if record.chains > 1 and per_chain.max() > 0.8 * count and count >= MANY:
        message += f", nearly all in {chains_named([int(per_chain.argmax())])}"
    if caught := caught_chains(diverging):
        return [caught_finding(record, message, caught, diverging)]
    places = separating_scalars(record, diverging)
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


def caught_chains(diverging: np.ndarray) -> list[int]:
    """Chains that diverge most of the time while the others hardly do."""
    share = diverging.mean(axis=1)
    caught = np.flatnonzero(share > CAUGHT)
    others = np.delete(share, caught)
    return caught.tolist() if others.size and others.max() < ELSEWHERE else []


def caught_finding(
    record: Record, message: str, caught: list[int], diverging: np.ndarray
) -> Finding:
    """Divergences that are the trouble of single chains, not of the whole posterior."""
    share = diverging.mean(axis=1)
    return Finding(
        "divergences",
        "failure",
        message + ".",
        f"{chains_named(caught)} diverge{s_of(caught)} in {percent(float(share[caught].min()))} "
        "of the draws or more, the others hardly: caught where the step size is far too large",
        "give a longer warm-up or better starts (init); if it happens with other seeds too, "
        f"{' or '.join(filter(None, (smaller_steps(record), 'reparametrise')))}",
        {f"chain {chain}": float(share[chain]) for chain in caught},
    )


def separating_scalars(record: Record, diverging: np.ndarray) -> list[tuple[str, float]]:
    """Sampled scalars that tell divergent draws from the others, best first, at most three.

    The number is the probability that a divergent draw has the larger value: near 0 they sit at
    small values, near 1 at large ones, 0.5 says nothing.
    """
    candidates = np.flatnonzero(record.moving & record.latent)
    if not len(candidates):
        return []
    parts = record.by_block(
        candidates, lambda _, values: separation(chain_ranks(values), diverging)
    )
    larger, noise = np.concatenate([part for part, _ in parts]), parts[0][1]
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
    if not places and diverging.sum() < MANY:
        return "too few to tell where they concentrate, but each marks a place hard to enter", []
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
    step = smaller_steps(record) or "smaller steps are used up"
    form = f"reparametrise {quoted(places)}" if places else "look for funnels and hard edges"
    return f"{step}; if they stay, {form} or give a tighter prior"
