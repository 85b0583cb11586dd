"""E-BFMI: can a new momentum carry the chains to every energy they should visit?

The energy's changes between draws are compared with its spread (Betancourt 2016); where they are
small, heavy tails or a funnel make the chains crawl. The parameters whose ranks go with the
energy say where.
"""

import numpy as np
import pandas as pd

from probgen.diagnose.finding import Finding, Limits
from probgen.diagnose.funnel import narrowing_sites, non_centred
from probgen.diagnose.ranks import chain_ranks, rank_correlation
from probgen.diagnose.record import Record
from probgen.diagnose.statistics import bfmi
from probgen.diagnose.words import chains_named, quoted

VERY_LOW_BFMI = 0.2
ENERGY_CORRELATION = 0.5


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
    line = chain_ranks(energy)
    parts = record.by_block(
        candidates, lambda _, values: rank_correlation(line, chain_ranks(values))
    )
    correlation = np.abs(np.concatenate(parts))
    order = np.argsort(-correlation)[:2]
    return [record.names[candidates[i]] for i in order if correlation[i] > ENERGY_CORRELATION]
