"""The dry run: what is wrong with a program and its data, site by site, each with its cure.

`check` stands before inference. It reads the program, then evaluates it at draws from the
prior and near the origin, where chains start, and reports everything it can find at once.
What makes a density wrong is also refused by `read_program`, with the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from probgen.declare.checks.declaration import declaration_problems
from probgen.declare.checks.density import density_problems
from probgen.declare.checks.discrete import discrete_problems, discrete_remarks, endless_sites
from probgen.declare.checks.improper import improper_problems
from probgen.declare.checks.observed import observed_problems
from probgen.declare.checks.points import evaluated_points
from probgen.declare.checks.problem import Problem, error
from probgen.declare.checks.report import CheckReport
from probgen.declare.checks.runs import change_problems, prior_traces
from probgen.declare.checks.unused import unused_problems
from probgen.declare.data import as_mapping, as_tensors, name_errors, name_of, not_a_mapping
from probgen.declare.environment import isolated
from probgen.declare.evaluation import Program
from probgen.declare.program import not_callable, read
from probgen.errors import DataError

__all__ = ["CheckReport", "Problem", "check"]


def check(
    model: Callable[..., Any], data: Mapping[str, Any] | None = None, *, seed: int = 0
) -> CheckReport:
    """Run a Pyro program dry and report what is wrong with it or with its data.

    `data` are the keyword arguments of the program, `seed` chooses the prior draws at which it
    is evaluated. Faults of the model or the data never raise here: the report lists them, each
    with its severity ("error" or "warning"), site, message and cure, and `raise_if_failed`
    raises the errors as `ModelError` or `DataError`.
    """
    if not callable(model):
        return CheckReport("model", [error(None, not_callable(model), "")])
    report = CheckReport(name_of(model))
    tensors = _data(model, data, report.problems)
    if tensors is not None:
        with isolated(seed):
            _run(Program(model, tensors), report, seed)
    report.problems = list(dict.fromkeys(report.problems))
    return report


def _data(
    model: Callable[..., Any], data: Mapping[str, Any] | None, problems: list[Problem]
) -> dict[str, Any] | None:
    """The data that the program takes, as tensors; None when it cannot be run with them."""
    data = as_mapping(data)
    if data is not None and not isinstance(data, Mapping):
        problems.append(Problem("error", None, not_a_mapping(data), "", "data"))
        return None
    given = {str(name): value for name, value in (data or {}).items()}
    wrong = name_errors(model, given)
    problems += [Problem("error", *fault, "data") for fault in wrong]
    usable = all(name in given for name, _, _ in wrong)  # unknown names can be left out
    tensors: dict[str, Any] = {}
    for name in (name for name in given if name not in {fault[0] for fault in wrong}):
        try:
            tensors |= as_tensors({name: given[name]})
        except DataError as raised:
            problems.append(Problem("error", name, str(raised), "", "data"))
            usable = False
    return tensors if usable else None


def _run(program: Program, report: CheckReport, seed: int) -> None:
    """Read the program, then look at more runs as far as the faults found so far allow."""
    reading, problems = read(program, seed), report.problems
    problems += reading.problems
    if reading.trace is None:
        return
    report.program = program
    problems += declaration_problems(program.name, reading.trace, _sites(report.errors))
    traces = [reading.trace]
    if not reading.failed:
        traces += prior_traces(program, seed)
        problems += change_problems(program, traces)
    problems += (
        discrete_problems(program) if report.ok else endless_sites(program.model, traces[0])
    )
    if not report.ok:
        known = _sites(report.errors)  # values of a wrong shape fit no support
        given = {name: value for name, value in program.observed.items() if name not in known}
        problems += observed_problems(given, traces)
        return
    report.remarks += discrete_remarks(program)
    points = evaluated_points(program, seed)
    usable = [point for point in points if point.trace is not None]
    traces += [point.trace for point in usable]
    problems += observed_problems(program.observed, traces)
    problems += density_problems(program, points, _sites(report.errors))
    if usable:
        problems += improper_problems(program, usable[-1], _sites(problems))
        problems += unused_problems(program, usable[-1])


def _sites(problems: list[Problem]) -> set[str | None]:
    return {problem.site for problem in problems}
