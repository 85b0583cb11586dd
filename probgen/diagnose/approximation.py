"""How far an approximation (a fitted normal, a mode) may be trusted: by its importance ratios.

The shape k of the generalised Pareto distribution fitted to the largest ratios p / q says how
many moments they have: up to 0.7 they can mend the approximation, above nothing can (Vehtari,
Simpson, Gelman, Yao and Gabry 2024; Yao, Vehtari, Simpson and Gelman 2018).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from probgen.diagnose.finding import Finding, Limits
from probgen.diagnose.notes import findings_on_notes, sentences
from probgen.diagnose.record import Record
from probgen.diagnose.settings import as_number

GOOD_PARETO_K, USABLE_PARETO_K = 0.5, 0.7


def is_approximation(attrs: Mapping[str, Any]) -> bool:
    """Whether the attributes of a result say that its draws come from an approximation."""
    return bool(as_number(attrs.get("approximation")))


def check_other_notes(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """Notes of the method, without those on Pareto k, which has a finding of its own."""
    notes = [n for n in sentences(record.attrs.get("notes")) if not n.startswith("Pareto k")]
    return findings_on_notes({**record.attrs, "notes": notes}, record.chains, record.draws)


def check_approximation(record: Record, table: pd.DataFrame, limits: Limits) -> list[Finding]:
    """The Pareto k of the importance ratios; of a mode alone, that it has no spread."""
    pareto_k = as_number(record.attrs.get("pareto_k"))
    if pareto_k is None and record.draws == 1:
        return [
            Finding(
                "point estimate",
                "warning",
                "a mode, not a posterior: it has no spread, and need not lie where the mass is.",
                advice="use Laplace() for a rough posterior, NUTS() for a sure one",
            )
        ]
    if pareto_k is None or np.isnan(pareto_k):
        return [
            Finding(
                "Pareto k",
                "warning",
                "the approximation was not checked against the posterior.",
                advice="compare with NUTS()",
            )
        ]
    if pareto_k <= GOOD_PARETO_K:
        return []
    usable = pareto_k <= USABLE_PARETO_K
    return [
        Finding(
            "Pareto k",
            "warning" if usable else "failure",
            f"{pareto_k:.2f} for the ratios of the posterior to the approximation"
            f"{'' if usable else f', above {USABLE_PARETO_K:g}'}.",
            "the approximation is rough; resampling by importance mends it in part"
            if usable
            else "the posterior has tails, a bend or modes that the approximation lacks",
            "draw more, and take importance weights into account"
            if usable
            else "sample with NUTS(); this approximation may serve as its start (init)",
        )
    ]
