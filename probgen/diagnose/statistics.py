"""The summary table: one row per scalar parameter, with the statistics that `arviz_stats` gives.

Mean, sd and equal-tailed interval with the Monte Carlo error of the mean, bulk and tail ESS and
rank-normalised split R-hat (Vehtari, Gelman, Simpson, Carpenter, Bürkner 2021). Computed once on
one contiguous array; every check reads this table.
"""

import numpy as np
import pandas as pd

from probgen.diagnose.draw_statistics import statistics
from probgen.diagnose.record import Record
from probgen.diagnose.run_size import FEWEST_DRAWS

ENDLESS_R_HAT = 1e6


def summary_table(record: Record, interval: float = 0.9) -> pd.DataFrame:
    """Summary of every scalar parameter.

    Returns a data frame indexed by parameter name with the columns mean, sd, eti90_lb, eti90_ub
    (ends of the equal-tailed interval, the number being its percentage), mcse_mean, ess_bulk,
    ess_tail and r_hat (nested, where the record has superchains). Constant parameters have no
    mcse, ESS and R-hat (NaN); non-finite ones have no statistics at all.
    """
    named = columns(interval)
    table = pd.DataFrame(np.nan, index=pd.Index(record.names), columns=named)
    tails = [(1 - interval) / 2, (1 + interval) / 2]
    # Chains that stand still divide 0 by 0; checks report them by name.
    found = statistics(record.values, np.flatnonzero(record.finite), tails, record.superchains)
    edges = found.pop("quantiles")
    for name, values in (found | dict(zip(named[2:4], edges.T, strict=True))).items():
        table.loc[record.finite, name] = values
    if record.draws >= FEWEST_DRAWS:
        table.loc[~record.moving, named[4:]] = np.nan
        # Chains that each stay at a value of their own: rounding alone keeps this finite.
        table.loc[table["r_hat"] > ENDLESS_R_HAT, "r_hat"] = np.inf
    return table


def columns(interval: float) -> list[str]:
    """Column names of the table for an interval's probability."""
    label = f"eti{100 * interval:g}"
    diagnostics = ["mcse_mean", "ess_bulk", "ess_tail", "r_hat"]
    return ["mean", "sd", f"{label}_lb", f"{label}_ub", *diagnostics]


def bfmi(energy: np.ndarray) -> np.ndarray:
    """E-BFMI (Betancourt 2016) of each chain of energies (chain, draw); NaN where undefined."""
    energy = np.asarray(energy, dtype=float)
    with np.errstate(all="ignore"):
        return np.asarray(
            np.square(np.diff(energy, axis=1)).mean(axis=1) / energy.var(axis=1, ddof=1)
        )
