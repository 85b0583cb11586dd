"""What each of several runs cost and how well it mixed: the first table of a comparison."""

from __future__ import annotations

from typing import Any

from probgen.diagnose.network_verdict import NetworkVerdict
from probgen.diagnose.report.runs import Run
from probgen.diagnose.report.table import Cell, Line, Table, number_cell

__all__ = ["costs_of", "total_seconds"]


def total_seconds(attrs: dict[str, Any]) -> float | None:
    """Seconds of a run: tracing, compilation, warm-up and sampling, as far as they are known."""
    names: tuple[str, ...] = (
        "seconds_trace",
        "seconds_compile",
        "seconds_warmup",
        "seconds_sampling",
    )
    if "seconds_inference" in attrs:
        names = ("seconds_setup", "seconds_inference")
    known = [float(attrs[name]) for name in names if name in attrs]
    return sum(known) if known else None


def costs_of(runs: list[Run]) -> Table:
    """One line per run: verdict, size, mixing, seconds, gradients."""
    headings = [
        ("verdict", "what diagnose says"),
        ("size", "chains x draws"),
        ("worst R-hat", "largest R-hat of all parameters"),
        ("worst ESS", "smallest effective sample size (bulk) of all parameters"),
        ("divergences", "divergent draws"),
        ("seconds", "trace, compilation, warm-up and sampling"),
        ("worst ESS/s", "smallest effective sample size per second of the whole run"),
        ("gradients", "gradient evaluations, warm-up included"),
    ]
    return Table(headings, [Line(run.label, _cost_cells(run)) for run in runs], len(runs), "run")


def _cost_cells(run: Run) -> list[Cell]:
    verdict, table, attrs = run.verdict, run.verdict.table, run.attrs
    ess_name = "ess" if isinstance(verdict, NetworkVerdict) else "ess_bulk"
    r_hat = float(table["r_hat"].max())
    ess = float(table[ess_name].min())
    seconds = total_seconds(attrs)
    diverging = run.record.stats.get("diverging") if run.record is not None else None
    gradients = [
        float(attrs[name])
        for name in ("gradient_evaluations_warmup", "gradient_evaluations")
        if name in attrs
    ]
    word = "ok" if verdict.ok else "with care" if verdict.trustworthy else "do not trust"
    rank = 0.0 if verdict.ok else 1.0 if verdict.trustworthy else 2.0
    rate = ess / seconds if seconds else None
    return [
        Cell(word, rank, not verdict.trustworthy),
        Cell(f"{verdict.chains} x {verdict.draws}", float(verdict.chains * verdict.draws)),
        number_cell(r_hat, ".3f", r_hat > verdict.limits.r_hat),
        number_cell(ess, ".0f", ess < verdict.limits.wanted_ess(verdict.chains)),
        number_cell(None if diverging is None else float(diverging.sum()), ".0f"),
        number_cell(seconds, ".3g"),
        number_cell(rate, ".0f" if rate and rate > 100 else ".3g"),
        number_cell(sum(gradients) if gradients else None, ".0f"),
    ]
