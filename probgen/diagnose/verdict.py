"""The verdict on a sampling run: what the checks found, and the table they read.

A posterior is *trustworthy* when no check failed, and *ok* when there was not even a warning.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd

from probgen.diagnose import rows
from probgen.diagnose.finding import SEVERITIES, Finding, Limits, Severity
from probgen.diagnose.words import count_of


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
    text_columns: ClassVar[int] = 0  # of the printed table: aligned to the left

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

    def headings(self) -> list[str]:
        """Column headings of the printed table."""
        return rows.headings(self.table)

    def rows(self) -> Iterator[rows.Row]:
        """Lines of the printed table."""
        return rows.table_rows(self)

    def __str__(self) -> str:
        from probgen.diagnose.render import as_text

        return as_text(self)

    def __repr__(self) -> str:
        return f"Verdict(trustworthy={self.trustworthy}, ok={self.ok}, {self.headline!r})"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from probgen.diagnose.render import as_html

        return as_html(self)

    def __rich__(self) -> Any:
        from probgen.diagnose.render import as_rich

        return as_rich(self)
