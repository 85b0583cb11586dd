"""The verdict on the posterior of a discrete network: one line per variable, then the findings."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from probgen.diagnose import network_checks as checks
from probgen.diagnose.finding import SEVERITIES, Finding, Limits
from probgen.diagnose.network_record import NetworkRecord, read_network_record
from probgen.diagnose.rows import MOST_ROWS, Row
from probgen.diagnose.verdict import Verdict
from probgen.diagnose.words import count_of

CHECKS: tuple[Callable[[NetworkRecord, Limits], list[Finding]], ...] = (
    checks.check_sampler_notes,
    checks.check_enough,
    checks.check_approximate,
    checks.check_converged,
    checks.check_stuck_chains,
    checks.check_indicator_r_hat,
    checks.check_log_joint,
    checks.check_effective,
    checks.check_never_seen,
)
MOST_STATES = 6
ROUNDING = 1e-9  # nats: a log evidence of a network without evidence is 0 up to this
FORMS = {"mcse": ".1g", "ess": ".0f", "r_hat": ".3f"}
MAXIMA = {
    "log_joint": "Log joint probability of the most probable states",
    "log_probability": "Log probability of the most probable states, given the evidence,",
}


@dataclass(frozen=True, eq=False, repr=False)
class NetworkVerdict(Verdict):
    """A verdict whose table has a row per (variable, state).

    Columns: probability, mcse (Monte Carlo standard error), ess and r_hat of the state's
    indicator function; NaN from engines that do not sample.

    `evidence` is a sentence on the log evidence (nats), or ""; `maximised` says that the states
    are the most probable ones, not probabilities.
    """

    evidence: str = ""
    maximised: bool = False
    text_columns: ClassVar[int] = 1

    @property
    def basis(self) -> str:
        """What was looked at, and how long that took."""
        run = f"{count_of(self.chains, 'chain')} x {count_of(self.draws, 'draw')}; "
        return (
            f"{count_of(len(self.table), 'state')} of "
            f"{count_of(len(set(self.sites)), 'variable')}"
            f"{', ' + run if self.draws else '; '}checked in {self.seconds:.2g} s"
            f"{'. ' + self.evidence if self.evidence else ''}"
        )

    def headings(self) -> list[str]:
        """Column headings of the printed table."""
        if self.maximised:
            return ["most probable"]
        return ["probability of each state", *self.statistics()]

    def statistics(self) -> list[str]:
        """Columns that the engine has: none of them where it does not sample."""
        return [name for name in ("mcse", "ess", "r_hat") if self.table[name].notna().any()]

    def rows(self) -> Iterator[Row]:
        """One line per variable; of many, the first and those with the worst R-hat."""
        limit = checks.r_hat_limit(self.chains, self.limits)
        groups = list(self.table.groupby("variable", sort=False))
        chosen = range(len(groups))
        if len(groups) > MOST_ROWS:
            worst = np.argsort([-np.nan_to_num(g["r_hat"].max()) for _, g in groups])
            first = range(MOST_ROWS - 10)
            chosen = sorted({*first, *map(int, worst[:10])})  # type: ignore[assignment]
        for number in chosen:
            if self.maximised:
                best = groups[number][1]["probability"].idxmax()
                yield Row(str(groups[number][0]), (self.table.loc[best, "state"],), ("",))
                continue
            name, group = groups[number]
            yield variable_row(str(name), group, self.statistics(), limit)
        if len(groups) > len(chosen):
            columns = ("",) * len(self.headings())
            yield Row(f"... {len(groups) - len(chosen)} more variables", columns, columns)


def variable_row(name: str, group: pd.DataFrame, statistics: list[str], r_hat_limit: float) -> Row:
    """The distribution of one variable as text, with its worst error, ESS and R-hat."""
    parts = [
        f"{state} {probability:.4f}"
        for state, probability in zip(group["state"], group["probability"], strict=True)
    ]
    if len(parts) > MOST_STATES:
        order = np.argsort(-group["probability"].to_numpy(), kind="stable")[:MOST_STATES]
        parts = [parts[i] for i in sorted(order)] + [f"({len(parts) - MOST_STATES} more)"]
    worst = {"mcse": group["mcse"].max(), "ess": group["ess"].min(), "r_hat": group["r_hat"].max()}
    bad = {
        "mcse": worst["mcse"] > checks.LARGEST_ERROR,
        "ess": worst["ess"] < checks.WANTED_ESS,
        "r_hat": worst["r_hat"] > r_hat_limit,
    }
    cells = ["" if np.isnan(worst[s]) else f"{worst[s]:{FORMS[s]}}" for s in statistics]
    styles = ["bold red" if bad[s] else "" for s in statistics]
    return Row(name, ("  ".join(parts), *cells), ("", *styles))


def diagnose_network(tree: Any, limits: Limits, started: float) -> NetworkVerdict:
    """Judge the result of an engine on a network; see `probgen.diagnose.diagnose`."""
    record = read_network_record(tree)
    with np.errstate(invalid="ignore", divide="ignore"):
        findings = [finding for check in CHECKS for finding in check(record, limits)]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return NetworkVerdict(
        findings=tuple(findings),
        table=record.table,
        sites=tuple(record.table["variable"]),
        chains=record.chains,
        draws=record.draws,
        seconds=time.perf_counter() - started,
        limits=limits,
        evidence=evidence_sentence(record),
        maximised=record.attrs.get("method") == "MAP",
    )


def evidence_sentence(record: NetworkRecord) -> str:
    """The log evidence with its error, and what it is where it is not exact."""
    for name, words in MAXIMA.items():
        if name in record.attrs:
            return f"{words} {float(record.attrs[name]):.6g} nats"
    value = record.attrs.get("log_evidence")
    if value is None or not np.isfinite(float(value)):
        return ""
    value = 0.0 if abs(float(value)) < ROUNDING else float(value)
    error = record.attrs.get("log_evidence_error")
    spread = "" if error is None else f" +- {float(error):.2g}"
    kind = record.attrs.get("log_evidence_is")
    return f"Log evidence {value:.6g}{spread} nats{f' ({kind})' if kind else ''}"
