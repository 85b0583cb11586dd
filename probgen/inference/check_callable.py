"""The dry run of a log density that is no torch function: it is called, not traced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from probgen.declare.check import CheckReport
from probgen.declare.check import check as check_program
from probgen.declare.checks.failure import failure
from probgen.declare.checks.problem import Problem, error, warning
from probgen.declare.logdensity import LogDensity
from probgen.targets.callable_density import CallableDensity, callable_density
from probgen.targets.slopes import notes_on_slopes

__all__ = ["check_callable"]

_POINTS = 10
_RADIUS = 2.0  # the range in which chains start


def check_callable(
    model: LogDensity, data: Mapping[str, Any] | None = None, *, seed: int = 0
) -> CheckReport:
    """Call the density where chains start; see `probgen.check`.

    It reports what the callable raises or returns amiss, values that are not finite, and a
    gradient that is not the slope.
    """
    report = check_program(model, data, seed=seed)
    report.problems = [p for p in report.problems if p.severity == "error" or p.about == "data"]
    report.problems = [p for p in report.problems if "is not used" not in p.message]
    if report.ok and report.program is not None:
        try:
            density = callable_density(report.program)
            report.problems += _problems(model, density, seed)
        except Exception as raised:
            report.problems.append(failure(model.function, raised))
    return report


def _problems(model: LogDensity, density: CallableDensity, seed: int) -> list[Problem]:
    points = np.random.default_rng(seed).uniform(-_RADIUS, _RADIUS, (_POINTS, density.dim))
    answers = [density.value_and_grad(point) for point in points]
    finite = [bool(np.isfinite(value) and np.isfinite(slope).all()) for value, slope in answers]
    problems = []
    if not all(finite):
        kind = warning if any(finite) else error
        problems.append(
            kind(
                None,
                f"The log density {model.__name__!r} or its gradient is not finite at "
                f"{_POINTS - sum(finite)} of {_POINTS} points tried.",
                "Look for logarithms of 0, overflow, or 0/0 in what it computes.",
            )
        )
    wrong = notes_on_slopes(density, points[finite])
    return problems + [warning(None, *_fact_and_cure(note)) for note in wrong]


def _fact_and_cure(note: str) -> tuple[str, str]:
    fact, _, cure = note.partition(". ")
    return f"{fact}.", cure
