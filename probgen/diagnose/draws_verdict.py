"""The verdict on posterior draws, of probgen or any other library: every check on one table."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from probgen.diagnose import (
    chains,
    convergence,
    divergences,
    energy,
    many_chains,
    modes,
    neck,
    notes,
    simulation,
    stranded,
    trajectory,
)
from probgen.diagnose.approximation import check_approximation, check_other_notes, is_approximation
from probgen.diagnose.elbo import check_elbo
from probgen.diagnose.finding import SEVERITIES, Finding, Limits
from probgen.diagnose.record import Record, read_record
from probgen.diagnose.statistics import summary_table
from probgen.diagnose.superchains import superchains_of
from probgen.diagnose.verdict import Verdict

Check = Callable[[Record, pd.DataFrame, Limits], list[Finding]]
CHECKS: tuple[Check, ...] = (
    notes.check_notes,
    chains.check_finite,
    chains.check_stuck,
    chains.check_copies,
    stranded.check_stranded,
    modes.check_modes,
    many_chains.check_outlying,
    convergence.check_r_hat,
    divergences.check_divergences,
    convergence.check_effective_sizes,
    convergence.check_mcse,
    energy.check_energy,
    neck.check_neck,
    trajectory.check_tree_depth,
    trajectory.check_acceptance,
    trajectory.check_step_size,
    chains.check_enough,
    chains.check_constant,
    notes.check_missing,
)
# Draws of an approximation are independent: chains and mixing have nothing to say about them.
OF_APPROXIMATIONS: tuple[Check, ...] = (
    check_other_notes,
    chains.check_finite,
    check_approximation,
    check_elbo,
)
# So are those of simulations, which walk in no chain either.
OF_SIMULATIONS: tuple[Check, ...] = (
    notes.check_notes,
    chains.check_finite,
    simulation.check_tolerance,
    simulation.check_summaries,
    simulation.check_weights,
    simulation.check_populations,
)


def diagnose_draws(
    tree: Any, interval: float, limits: Limits, started: float, superchains: Any = None
) -> Verdict:
    """Judge a posterior by its draws; see `probgen.diagnose.diagnose`."""
    record = read_record(tree)
    record = replace(record, superchains=superchains_of(tree, record.chains, superchains))
    table = summary_table(record, interval)
    checks = OF_APPROXIMATIONS if is_approximation(record.attrs) else CHECKS
    checks = OF_SIMULATIONS if simulation.is_simulated(record.attrs) else checks
    with np.errstate(invalid="ignore", divide="ignore"):
        findings = [finding for check in checks for finding in check(record, table, limits)]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return Verdict(
        findings=tuple(findings),
        table=table,
        sites=record.sites,
        chains=record.chains,
        draws=record.draws,
        seconds=time.perf_counter() - started,
        limits=limits,
    )
