"""The verdict on a sampling run: every check run on one table, and what they found.

`diagnose` is the public entry: DataTree in, verdict out. A posterior is *trustworthy* when no
check failed, and *ok* when there was not even a warning.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from probgen.diagnose import chains, convergence, divergences, energy, notes, trajectory
from probgen.diagnose.finding import SEVERITIES, Finding, Limits, Severity, limits_from
from probgen.diagnose.record import Record, read_record
from probgen.diagnose.statistics import summary_table
from probgen.diagnose.words import count_of
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


@dataclass(frozen=True, eq=False, repr=False)
class Verdict:
    """What is wrong with a posterior, where, and what to do; and its summary table.

    Attributes
    ----------
    findings: most severe first.
    table: one row per scalar parameter: mean, sd, interval ends, mcse_mean, ess_bulk, ess_tail,
        r_hat.
    sites: the site of each row of the table.
    chains, draws: size of the run.
    seconds: what the diagnosis took.
    limits: where the checks drew their lines.

    """

    findings: tuple[Finding, ...]
    table: pd.DataFrame
    sites: tuple[str, ...]
    chains: int
    draws: int
    seconds: float
    limits: Limits

    @property
    def trustworthy(self) -> bool:
        """No check failed."""
        return not self.of_severity("failure")

    @property
    def ok(self) -> bool:
        """No check failed and none warned."""
        return self.trustworthy and not self.of_severity("warning")

    def of_severity(self, severity: Severity) -> tuple[Finding, ...]:
        """Findings of one severity."""
        return tuple(entry for entry in self.findings if entry.severity == severity)

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        if self.ok:
            return "Trustworthy: no check found a problem."
        counts = [
            count_of(len(self.of_severity(severity)), severity)
            for severity in SEVERITIES[:2]
            if self.of_severity(severity)
        ]
        if self.trustworthy:
            return f"Trustworthy, with care: {' and '.join(counts)}."
        return f"Do not trust this posterior: {' and '.join(counts)}."

    @property
    def basis(self) -> str:
        """What was looked at, and how long that took."""
        return (
            f"{count_of(len(self.table), 'scalar')} of {count_of(len(set(self.sites)), 'site')}, "
            f"{count_of(self.chains, 'chain')} x {count_of(self.draws, 'draw')}; "
            f"checked in {self.seconds:.2g} s"
        )

    def __str__(self) -> str:
        from probgen.diagnose.render import as_text

        return as_text(self)

    def __repr__(self) -> str:
        return f"Verdict(trustworthy={self.trustworthy}, ok={self.ok}, {self.headline!r})"

    def __rich__(self) -> Any:
        from probgen.diagnose.render import as_rich

        return as_rich(self)


def diagnose(tree: Any, *, interval: float = 0.9, **limits: float) -> Verdict:
    """Look at the results of a sampler and say what is wrong, where, and what to do.

    Parameters
    ----------
    tree: an `xarray.DataTree` with a posterior group (of probgen or any other library), or
        anything `arviz_base` converts to one. What the checks need and the tree lacks is said.
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
