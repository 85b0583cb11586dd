"""One run as one row: what became of it, what it cost, how far off it was."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from probgen import errors
from probgen.studies.compare.isolate import Answer
from probgen.studies.compare.run import FINDING_SEPARATOR, Measured
from probgen.studies.reference import Reference

__all__ = ["Run", "row_of"]

_MEGABYTE = 1e6


@dataclass(frozen=True)
class Run:
    """One run and what became of it."""

    label: str
    seed: int
    budget: int | None
    answer: Answer

    @property
    def measured(self) -> bool:
        """Whether it was compared with a reference."""
        return self.answer.status == "done" and self.answer.value.accuracy is not None


def row_of(run: Run, compiling: float, reference: Reference | None) -> dict[str, Any]:
    """One row of the runs; numbers are NaN where there is nothing."""
    row: dict[str, Any] = {
        "method": run.label,
        "seed": run.seed,
        "budget": math.nan if run.budget is None else float(run.budget),
        "status": run.answer.status,
        "reason": _reason(run.answer),
        "trustworthy": False,
        "unchecked": False,
        "verdict": "",
        "fallback": "",
    }
    if run.answer.status != "done":
        return row
    found: Measured = run.answer.value
    row |= {
        "trustworthy": found.trustworthy,
        "unchecked": found.unchecked,
        "verdict": found.headline,
        "findings": FINDING_SEPARATOR.join(found.findings),
        "advice": found.advice,
        "fallback": found.fallback,
        "scalars": found.scalars,
        "chains": found.chains,
        "draws": found.draws,
    }
    return row | _costs(found, compiling) | _errors(found, reference)


def _costs(found: Measured, compiling: float) -> dict[str, float]:
    costs, got = found.costs, found.effective
    own = costs.compile if found.fallback or not compiling > 0 else max(compiling, costs.compile)
    seconds, gradients = costs.seconds, costs.all_gradients
    trusted_draws, trusted_seconds = found.trusted_after
    return {
        "seconds": seconds,
        "seconds_warmup": costs.warmup,
        "seconds_sampling": costs.sampling,
        "seconds_compile": own,
        "seconds_total": costs.total,
        "gradients": gradients,
        "gradients_warmup": costs.gradients_warmup,
        "ess_bulk_worst": got.bulk_worst,
        "ess_bulk_median": got.bulk_median,
        "ess_tail_worst": got.tail_worst,
        "ess_tail_median": got.tail_median,
        "ess_per_second": _ratio(got.worst, seconds),
        "ess_per_second_median": _ratio(min(got.bulk_median, got.tail_median), seconds),
        "ess_per_gradient": _ratio(got.worst, gradients),
        "ess_per_gradient_median": _ratio(min(got.bulk_median, got.tail_median), gradients),
        "r_hat": got.r_hat,
        "trusted_draws": trusted_draws,
        "trusted_seconds": own + trusted_seconds,
        "memory_mb": found.memory[0] / _MEGABYTE,
        "memory_added_mb": found.memory[1] / _MEGABYTE,
    }


def _errors(found: Measured, reference: Reference | None) -> dict[str, Any]:
    value, kind, error = found.evidence
    row: dict[str, Any] = {
        "log_evidence": value,
        "log_evidence_is": kind,
        "log_evidence_mcse": error,
    }
    measured = found.accuracy
    if measured is None or reference is None:
        return row
    row["log_evidence_error"] = value - reference.log_evidence
    if reference.is_of_states:
        distances = list(measured.of_variables().values())
        row["total_variation_worst"] = float(np.nanmax(distances))
        row["total_variation_average"] = float(np.nanmean(distances))
    else:
        for statistic in ("mean", "sd"):
            row[f"error_{statistic}_worst"] = measured.worst(statistic)
            row[f"error_{statistic}_average"] = measured.average(statistic)
        worst = [measured.worst(s) for s in measured.statistics[2:]]
        average = [measured.average(s) for s in measured.statistics[2:]]
        row["error_quantile_worst"] = float(np.fmax.reduce(worst))
        row["error_quantile_average"] = _mean(average)
    row["bias"], row["bias_of"], row["bias_statistic"] = measured.most_biased()
    if found.joint is not None:
        row["sliced_wasserstein"] = found.joint.sliced_wasserstein
        row["mmd"] = found.joint.mmd
    return row


def _reason(answer: Answer) -> str:
    if answer.kind in ("", "Interrupted") or hasattr(errors, answer.kind):
        return answer.reason  # ours say it all
    return f"{answer.kind}: {answer.reason}"


def _ratio(of: float, by: float) -> float:
    return of / by if by and math.isfinite(of) and math.isfinite(by) else math.nan


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return float(np.mean(finite)) if finite else math.nan
