"""DataTree in, verdict out: every check run on one table.

Results on Pyro programs, and of any library with an ArviZ tree, are judged here; those on
discrete networks, by their marginals, in `network_verdict`.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from probgen.diagnose import chains, convergence, divergences, energy, notes, trajectory
from probgen.diagnose.finding import SEVERITIES, Finding, Limits, limits_from
from probgen.diagnose.network_record import has_marginals
from probgen.diagnose.network_verdict import diagnose_network
from probgen.diagnose.record import Record, read_record
from probgen.diagnose.statistics import summary_table
from probgen.diagnose.verdict import Verdict
from probgen.errors import OptionError

Check = Callable[[Record, pd.DataFrame, Limits], list[Finding]]
CHECKS: tuple[Check, ...] = (
    notes.check_notes,
    chains.check_finite,
    chains.check_stuck,
    chains.check_copies,
    convergence.check_r_hat,
    divergences.check_divergences,
    convergence.check_effective_sizes,
    convergence.check_mcse,
    energy.check_energy,
    trajectory.check_tree_depth,
    trajectory.check_acceptance,
    trajectory.check_step_size,
    chains.check_enough,
    chains.check_constant,
    notes.check_missing,
)


def diagnose(tree: Any, *, interval: float = 0.9, **limits: float) -> Verdict:
    """Look at the results of a sampler and say what is wrong, where, and what to do.

    Parameters
    ----------
    tree: an `xarray.DataTree` with a posterior group (of probgen or any other library), or
        anything `arviz_base` converts to one. What the checks need and the tree lacks is said.
        Results on discrete networks are judged by their marginals: see `NetworkVerdict`.
    interval: probability of the equal-tailed interval in the summary table.
    limits: lines drawn by the checks, by the names of `Limits`: r_hat=1.01,
        ess_per_chain=100, mcse_share=0.1, divergence_share=0.01, bfmi=0.3, depth_share=0.01,
        acceptance_gap=0.1, repeat_share=0.9, chains=4.

    Returns
    -------
    Verdict
        Printable as text and by rich; `.trustworthy`, `.ok`, `.findings`, `.table`.

    Raises
    ------
    DataError: there are no posterior draws to look at.
    OptionError: an unknown limit, or an interval outside (0, 1).

    Sources: Vehtari et al. (2021) for R-hat, ESS and their limits; Betancourt (2017) for
    divergences and E-BFMI. The statistics are those of `arviz_stats`.

    """
    started = time.perf_counter()
    if not 0.0 < interval < 1.0:
        raise OptionError(f"diagnose: interval must lie between 0 and 1, got {interval}.")
    drawn = limits_from(limits)
    if has_marginals(tree):
        return diagnose_network(tree, drawn, started)
    record = read_record(tree)
    table = summary_table(record, interval)
    with np.errstate(invalid="ignore", divide="ignore"):
        findings = [finding for check in CHECKS for finding in check(record, table, drawn)]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return Verdict(
        findings=tuple(findings),
        table=table,
        sites=record.sites,
        chains=record.chains,
        draws=record.draws,
        seconds=time.perf_counter() - started,
        limits=drawn,
    )
