"""The summary table: one row per scalar parameter, all statistics by `arviz_stats`.

Mean, sd and equal-tailed interval with the Monte Carlo error of the mean, bulk and tail ESS and
rank-normalised split R-hat (Vehtari, Gelman, Simpson, Carpenter, Bürkner 2021). Computed once on
one contiguous array; every check reads this table.
"""

import warnings

import numpy as np
import pandas as pd
from arviz_stats.base import array_stats

from probgen.diagnose.record import Record
from probgen.diagnose.run_size import FEWEST_DRAWS

ENDLESS_R_HAT = 1e6


def summary_table(record: Record, interval: float = 0.9) -> pd.DataFrame:
    """Summary of every scalar parameter.

    Returns a data frame indexed by parameter name with the columns mean, sd, eti90_lb, eti90_ub
    (ends of the equal-tailed interval, the number being its percentage), mcse_mean, ess_bulk,
    ess_tail and r_hat. Constant parameters have no mcse, ESS and R-hat (NaN); non-finite ones
    have no statistics at all.
    """
    table = pd.DataFrame(np.nan, index=pd.Index(record.names), columns=columns(interval))
    finite = record.finite
    flat = record.values[finite].reshape(int(finite.sum()), -1)
    tails = [(1 - interval) / 2, (1 + interval) / 2]
    table.loc[finite, "mean"] = flat.mean(axis=1)
    table.loc[finite, "sd"] = flat.std(axis=1, ddof=1) if flat.shape[1] > 1 else np.nan
    table.loc[finite, columns(interval)[2:4]] = np.quantile(flat, tails, axis=1).T
    if record.draws >= FEWEST_DRAWS:
        fill_diagnostics(table, record)
    return table


def columns(interval: float) -> list[str]:
    """Column names of the table for an interval's probability."""
    label = f"eti{100 * interval:g}"
    diagnostics = ["mcse_mean", "ess_bulk", "ess_tail", "r_hat"]
    return ["mean", "sd", f"{label}_lb", f"{label}_ub", *diagnostics]


def fill_diagnostics(table: pd.DataFrame, record: Record) -> None:
    """Write mcse, ESS and R-hat of the parameters that move into the table."""
    moving = record.moving
    values = record.values[moving]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # stuck chains divide 0 by 0; checks report them by name
        table.loc[moving, "mcse_mean"] = array_stats.mcse(values, method="mean")
        table.loc[moving, "ess_bulk"] = array_stats.ess(values, method="bulk")
        table.loc[moving, "ess_tail"] = array_stats.ess(values, method="tail", prob=(0.05, 0.95))
        r_hat = np.asarray(array_stats.rhat(comparable_chains(values)))
        # chains that each stay at a value of their own: rounding alone keeps this finite
        table.loc[moving, "r_hat"] = np.where(r_hat > ENDLESS_R_HAT, np.inf, r_hat)


def comparable_chains(values: np.ndarray) -> np.ndarray:
    """Draws (parameter, chain, draw) as at least two chains: a lone chain is cut in half."""
    count, chains, draws = values.shape
    half = draws // 2
    if chains > 1 or half < FEWEST_DRAWS:
        return values
    return values[:, :, : 2 * half].reshape(count, 2, half)


def bfmi(energy: np.ndarray) -> np.ndarray:
    """E-BFMI (Betancourt 2016) of each chain of energies (chain, draw); NaN where undefined."""
    with np.errstate(all="ignore"):
        return np.asarray(array_stats.bfmi(np.asarray(energy, dtype=float)))
