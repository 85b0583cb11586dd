"""Outcomes as one table for the terminal, and as JSON."""

from __future__ import annotations

import math
import statistics
from typing import Any

from rich.table import Table

from tests.conformance.outcome import RHAT_LIMIT, Outcome
from tests.conformance.reference import QUANTILES, bound

LEVEL = 0.01
"""Family-wise level: the chance that any z-score of a run passes the bound by accident."""

_QUANTILES = tuple(f"{probability:.0%}" for probability in QUANTILES)
_HEADER = (
    "posterior",
    "dim",
    "backend",
    "compile s",
    "sample s",
    "gradients",
    "ESS bulk",
    "tail",
    "ESS/grad",
    "ESS/s",
    "R-hat",
    "div",
    "z mean",
    "z sd",
    "z quant",
    "verdict",
)


def bound_of(outcomes: list[Outcome]) -> float:
    """Bonferroni's bound for all z-scores of the run together."""
    return bound(sum(outcome.comparisons for outcome in outcomes), LEVEL)


def table(outcomes: list[Outcome]) -> Table:
    limit = bound_of(outcomes)
    drawn = Table(*_HEADER, box=None, pad_edge=False, header_style="bold")
    for column in drawn.columns[1:-1]:
        column.justify = "right"
    for column in drawn.columns:
        column.no_wrap = True
    for outcome in outcomes:
        style = None if outcome.passes(limit) else "red"
        drawn.add_row(*_cells(outcome, limit), style=style)
    return drawn


def _cells(outcome: Outcome, limit: float) -> list[str]:
    name, verdict = outcome.name, outcome.verdict(limit)
    if outcome.error:
        return [name, *[""] * (len(_HEADER) - 2), verdict]
    return [
        name,
        str(outcome.dim),
        outcome.backend,
        f"{outcome.seconds_compile:.2f}",
        f"{outcome.seconds_sampling:.2f}",
        f"{outcome.gradients:,}",
        f"{outcome.ess_bulk:.0f}",
        f"{outcome.ess_tail:.0f}",
        f"{outcome.ess_bulk / outcome.gradients:.2g}",
        f"{outcome.ess_bulk / outcome.seconds_sampling:,.0f}",
        f"{outcome.rhat:.4f}",
        str(outcome.divergences),
        *(_z(outcome, names) for names in (("mean",), ("sd",), _QUANTILES)),
        verdict,
    ]


def _z(outcome: Outcome, names: tuple[str, ...]) -> str:
    score = outcome.worst(*names)[0]
    return "" if math.isnan(score) else f"{score:.2f}"


def notes(outcomes: list[Outcome]) -> list[str]:
    """A line for every outcome that is not simply right: what is wrong, or why it may be."""
    limit, lines = bound_of(outcomes), []
    for outcome in outcomes:
        verdict = outcome.verdict(limit)
        if verdict == "ERROR":
            lines.append(f"{outcome.name}: {outcome.error}")
        elif verdict == "explained":
            lines.append(f"{outcome.name}: R-hat {outcome.rhat:.3f}: {outcome.explained}")
        elif verdict == "R-HAT":
            lines.append(f"{outcome.name}: R-hat {outcome.rhat:.3f}, unexplained.")
        elif verdict == "DISAGREES":
            score, parameter = outcome.worst()
            lines.append(f"{outcome.name}: |z| = {score:.2f} of {parameter}.")
    return lines


def summary(outcomes: list[Outcome], seconds: float) -> str:
    limit = bound_of(outcomes)
    passed = sum(outcome.passes(limit) for outcome in outcomes)
    scores = [z for o in outcomes for row in o.rows for z in row.z_scores.values()]
    text = f"{passed} of {len(outcomes)} pass: R-hat < {RHAT_LIMIT}, not on the eager path"
    if scores:
        spread = math.sqrt(statistics.fmean(z * z for z in scores))
        text += (
            f", every |z| < {limit:.2f} (two-sided, Bonferroni over {len(scores)} z-scores of "
            f"means, standard deviations and quantiles, family-wise level {LEVEL:.0%}); their "
            f"root mean square is {spread:.2f}"
        )
    return f"{text}. {seconds:.1f} seconds in all."


def as_json(outcomes: list[Outcome], seconds: float) -> dict[str, Any]:
    """Everything the table shows, and every z-score."""
    limit = bound_of(outcomes)
    return {
        "seconds": seconds,
        "bound": limit,
        "level": LEVEL,
        "outcomes": [
            {
                **{key: value for key, value in vars(outcome).items() if key != "rows"},
                "verdict": outcome.verdict(limit),
                "z_scores": {row.parameter: row.z_scores for row in outcome.rows},
            }
            for outcome in outcomes
        ],
    }
