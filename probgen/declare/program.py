"""Reading a Pyro program: run it, note its sites and plates, and refuse what cannot be right.

A program is anything Pyro can trace. It is run with its data three times: with latent sites
from the prior, in float64; with the same values and Pyro's validation on; and both log
densities are compared, which finds random numbers drawn outside `pyro.sample`. What `Program`
can then do is in `evaluation`; `check` looks for more faults than are looked for here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from probgen.declare.checks.failure import failure
from probgen.declare.checks.observed import observed_problems, support_moves
from probgen.declare.checks.parameters import parameter_problems
from probgen.declare.checks.problem import Problem, error, raise_errors
from probgen.declare.checks.structure import structure_problems, unusable_support
from probgen.declare.checks.unscored import unscored_problems
from probgen.declare.data import as_tensors, check_names
from probgen.declare.environment import double_precision, isolated, tracing, validating
from probgen.declare.evaluation import Evaluation, Program
from probgen.declare.placing import PlaceNearOrigin, PlacePrior, PlaceValues, fill_masked
from probgen.declare.sites import (
    Plate,
    Site,
    describe_site,
    is_latent,
    is_statement,
    sample_sites,
    site_kind,
)
from probgen.errors import ModelError

__all__ = [
    "Evaluation",
    "PlacePrior",
    "Plate",
    "Program",
    "Reading",
    "Site",
    "describe_site",
    "is_latent",
    "is_statement",
    "read",
    "read_program",
    "site_kind",
]

_STARTS = (PlacePrior, PlacePrior, PlacePrior, PlaceNearOrigin, PlaceNearOrigin)


def read_program(
    model: Callable[..., Any],
    data: Mapping[str, Any] | None = None,
    seed: int = 0,
    scored: bool = True,
) -> Program:
    """Run `model` with `data`, latent sites drawn from the prior, and note its sites.

    Improper sites, which cannot be sampled, get a value from their support and shape. `scored`
    says whether a log density is wanted: a program that observes an implicit site has none.
    Raises `DataError` for data that do not fit the program's arguments and `ModelError` for a
    program that fails, or whose density could not be right (invalid parameters, shapes that do
    not fit, subsampled plates, hidden randomness); `probgen.check` finds more than that.
    """
    if not callable(model):
        raise ModelError(not_callable(model))
    tensors = as_tensors(data)
    check_names(model, tensors)
    reading = read(Program(model, tensors), seed, scored)
    raise_errors(reading.problems)
    return reading.program


@dataclass
class Reading:
    """A program that was run: its trace, None when it failed, and the faults found on the way."""

    program: Program
    trace: Any = None
    problems: list[Problem] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether a fault was found that makes inference impossible or wrong."""
        return any(problem.severity == "error" for problem in self.problems)


def read(program: Program, seed: int = 0, scored: bool = True) -> Reading:
    """Run `program` and fill in its sites, plates and observed values; raises nothing itself."""
    reading = Reading(program)
    with tracing(), double_precision() as precision, isolated(seed):
        reading.trace, reading.problems = _first_run(program)
        if reading.trace is not None:
            reading.problems += structure_problems(reading.trace)
            reading.problems += unscored_problems(reading.trace) if scored else []
            reading.problems += _describe(program, reading.trace)
        if not reading.failed:
            reading.problems += _impossible_values(reading)
        if not reading.failed:
            _log_prob(reading)
        program.needs_widening = precision.widened
    if not reading.failed:
        reading.problems += _validate(reading, seed)
    return reading


def not_callable(model: Any) -> str:
    """The text of the error for a model that is no program."""
    hint = ": read it with load_network or load_model" if isinstance(model, str) else ""
    return (
        "The model must be a Pyro program (a callable) or a network, "
        f"not {type(model).__name__}{hint}."
    )


def _first_run(program: Program) -> tuple[Any, list[Problem]]:
    """A run at valid parameters, or the first one with its faults when there is none.

    Draws from a wide prior may overflow where the posterior never goes, so that a fault counts
    only if it is met at every start.
    """
    outcomes: list[tuple[Any, list[Problem], Exception | None]] = []
    for start in _STARTS:
        handler, trace, raised = _Inspect(start()), None, None
        try:
            trace = program.trace_with(handler)
        except Exception as exception:
            raised = exception
        if raised is None and not handler.problems:
            return trace, []
        outcomes.append((trace, handler.problems, raised))
    trace, problems, raised = outcomes[0]
    if raised is not None and not problems:
        problems = [failure(program.model, raised)]
    return trace, problems


class _Inspect(PlacePrior):
    """Notes invalid parameters of every site before another handler draws from it."""

    def __init__(self, handler: PlacePrior) -> None:
        super().__init__()
        self.handler = handler
        self.problems: list[Problem] = []

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if not is_statement(msg):
            return
        if not isinstance(msg["name"], str):
            raise ModelError(f"Site {msg['name']!r}: the name of a site must be a string.")
        if not hasattr(msg["fn"], "event_shape"):
            raise ModelError(
                f"Site {msg['name']!r}: pyro.sample needs a distribution of pyro.distributions, "
                f"not {type(msg['fn']).__name__}."
            )
        if site_kind(msg) in ("latent", "observed"):
            self.problems += parameter_problems(msg["name"], msg)
        self.handler._pyro_sample(msg)


def _describe(program: Program, trace: Any) -> list[Problem]:
    """Fill in the sites and plates of a program; what a support's own map cannot do is a fault."""
    problems = []
    for name, message in sample_sites(trace):
        try:
            site = program.sites[name] = describe_site(name, message)
        except Exception as raised:
            problems.append(unusable_support(name, message["fn"], raised))
            continue
        if site.kind == "observed":
            program.observed[name] = message["value"].detach()
        for frame in message["cond_indep_stack"]:
            size = int(frame.size)
            if size < 0 and frame.name in site.plates:  # a plate without a size
                size = site.shape[site.plates.index(frame.name)]
            program.plates.setdefault(frame.name, Plate(frame.name, size))
    return problems


def _impossible_values(reading: Reading) -> list[Problem]:
    """Observed values that are missing, or outside a support that no latent site moves."""
    program = reading.program
    found = observed_problems(program.observed, [reading.trace])
    if not found:
        return []
    traces = [reading.trace]
    with contextlib.suppress(ArithmeticError, ValueError, RuntimeError):
        traces.append(program.trace_with(PlaceNearOrigin()))
    return [fault for fault in found if fault.site and not support_moves(fault.site, traces)]


def _log_prob(reading: Reading) -> None:
    """The log densities of all sites of the first run, for widening and for comparison."""
    fill_masked(reading.trace)
    try:
        reading.trace.compute_log_prob()
    except Exception as raised:
        reading.problems.append(failure(reading.program.model, raised))


def _validate(reading: Reading, seed: int) -> list[Problem]:
    """Run again with the same values, other random numbers, and Pyro's validation on."""
    program = reading.program
    values = {
        name: message["value"]
        for name, message in sample_sites(reading.trace)
        if site_kind(message) == "latent"
    }
    try:
        with validating(), double_precision(program.needs_widening), isolated(seed + 1):
            trace = program.trace_with(PlaceValues(values))
    except (ValueError, AssertionError) as raised:
        return [failure(program.model, raised)]
    except Exception:
        return []  # validation cannot cope, since the same run went well without it
    return list(_hidden_randomness(reading, trace))


def _hidden_randomness(reading: Reading, again: Any) -> Iterator[Problem]:
    """The first site whose log density differs between two runs at the same values."""
    with tracing(), double_precision(reading.program.needs_widening), isolated():
        fill_masked(again)
        try:
            again.compute_log_prob()
        except ValueError:
            return  # validation asked for by the program itself; `check` looks at the values
        except Exception as raised:  # a density that is known for fresh draws alone
            yield failure(reading.program.model, raised)
            return
    before = {name: message["log_prob_sum"] for name, message in sample_sites(reading.trace)}
    after = {name: message["log_prob_sum"] for name, message in sample_sites(again)}
    for name in [*before, *(name for name in after if name not in before)]:
        if (
            name not in before
            or name not in after
            or not torch.isclose(before[name], after[name], rtol=1e-9, atol=1e-12, equal_nan=True)
        ):
            yield error(
                name,
                f"Site {name!r} differs between two runs of the program {reading.program.name!r} "
                "at the same values of its latent sites: the program draws random numbers "
                "outside pyro.sample.",
                "Declare every random quantity with pyro.sample, draw it before the program "
                "runs, or switch dropout off with .eval().",
            )
            return
