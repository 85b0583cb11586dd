"""Signs of a funnel that no other check has: slow mixing of a scale without a divergence.

With divergences, a low E-BFMI or a low ESS the funnel is named there. A long run hides it: enough
effective draws in all, no divergence, but few visits to the neck.
"""

import numpy as np
import pandas as pd

from probgen.diagnose.finding import Finding, Limits
from probgen.diagnose.funnel import in_pyro, narrowing_sites, non_centred
from probgen.diagnose.record import Record
from probgen.diagnose.statistics import bfmi
from probgen.diagnose.words import brief, quoted, s_of

SLOW = 0.1  # effective draws a draw
LOOKED_AT = 5  # slowest scales


def check_neck(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """A scale that mixes slowly while another site narrows with it."""
    if said_elsewhere(record, limits):
        return []
    alone = {site for site in record.sites if len(record.of_site(site)) == 1}
    ess = table[["ess_bulk", "ess_tail"]].min(axis=1)
    wanted = limits.wanted_ess(record.chains)
    slow = (ess >= wanted) & (ess < SLOW * record.chains * record.draws)
    slow &= record.latent & np.array([site in alone for site in record.sites])
    for name in ess[slow].sort_values().index[:LOOKED_AT]:
        partners = narrowing_sites(record, str(name), "small")
        if partners:
            return [
                Finding(
                    "funnel",
                    "warning",
                    f"{quoted(partners)} narrow{s_of(partners)} as `{name}` shrinks, and `{name}` "
                    f"mixes slowly: {brief(float(ess[name]))} effective draws of "
                    f"{record.chains * record.draws}.",
                    "no step size fits both the neck and the mouth of a funnel: its neck, at "
                    f"small `{name}`, is visited rarely and may be missed without a divergence",
                    f"{non_centred(partners, str(name))} (in Pyro: {in_pyro(partners)})",
                    {str(name): float(ess[name])},
                )
            ]
    return []


def said_elsewhere(record: Record, limits: Limits) -> bool:
    """Whether divergences or the energy speak of funnels already."""
    diverging, energy = record.stats.get("diverging"), record.stats.get("energy")
    if diverging is not None and diverging.any():
        return True
    if energy is None or record.draws < 3:
        return False
    return bool((bfmi(energy) < limits.bfmi).any())
