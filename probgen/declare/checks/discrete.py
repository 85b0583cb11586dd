"""Discrete latent sites in the dry run: what is summed out, at which cost, or why it cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from probgen.declare.checks.failure import failure
from probgen.declare.checks.problem import Problem
from probgen.declare.discrete.factors import Component
from probgen.declare.discrete.variables import states_of
from probgen.declare.enumeration import Enumeration
from probgen.declare.evaluation import Program
from probgen.declare.sites import sample_sites, site_kind
from probgen.declare.supports import is_discrete, support_of
from probgen.errors import ModelError

__all__ = ["discrete_problems", "discrete_remarks", "endless_sites"]

_SHOWN = 3


def discrete_problems(program: Program) -> list[Problem]:
    """Why the discrete latent sites cannot be summed out; empty when they can."""
    try:
        program.enumeration  # noqa: B018 - read on first use
    except ModelError as raised:
        return [_problem(program.model, raised)]
    return []


def endless_sites(model: Callable[..., Any], trace: Any) -> Iterator[Problem]:
    """Discrete latent sites of a run whose values cannot be listed at all."""
    for name, message in sample_sites(trace):
        if site_kind(message) == "latent" and is_discrete(support_of(message["fn"])):
            try:
                states_of(name, message["fn"])
            except ModelError as raised:
                yield _problem(model, raised)


def _problem(model: Callable[..., Any], raised: ModelError) -> Problem:
    """The fault that an error tells: what is wrong in its first sentence, then the cure."""
    problem = failure(model, raised)
    message, _, cure = problem.message.partition(". ")
    return replace(problem, message=f"{message}.", cure=cure) if cure else problem


def discrete_remarks(program: Program) -> list[str]:
    """Sentences on what is summed out, over how many states, and how large the tables are."""
    enumeration = program.enumeration
    if enumeration is None:
        return []
    sentences = [
        f"Summed out of the density exactly: {_variables(enumeration)}; the largest table has "
        f"{enumeration.largest:,} entries, all together {enumeration.entries:,}.",
        "Their posterior is drawn exactly after sampling.",
        *_joint(enumeration),
    ]
    return [" ".join(sentences)]


def _variables(enumeration: Enumeration) -> str:
    """The variables in words: "discrete sites 'z_0' ... 'z_9' (10 sites, 3 states each)"."""
    groups: dict[tuple[int, tuple[int, ...]], list[str]] = {}
    for variable in enumeration.variables:
        groups.setdefault((variable.size, variable.batch), []).append(variable.name)
    return ", ".join(
        f"{_listed(names)} ({states} states{_each(batch, len(names))})"
        for (states, batch), names in groups.items()
    )


def _listed(names: list[str]) -> str:
    if len(names) <= _SHOWN:
        return ", ".join(map(repr, names))
    return f"the {len(names)} sites {names[0]!r} ... {names[-1]!r}"


def _each(batch: tuple[int, ...], sites: int) -> str:
    if any(size > 1 for size in batch):
        return f" for each of {' x '.join(map(str, batch))} elements"
    return " each" if sites > 1 else ""


def _joint(enumeration: Enumeration) -> Iterator[str]:
    """What has one log likelihood together."""
    for component in enumeration.components:
        if len(component.observed) > 1 or _coarser(enumeration, component):
            size = 1
            for _, elements in component.plates:
                size *= elements
            yield (
                f"The values of {_listed(list(component.observed))} depend on each other once "
                f"the discrete sites are summed out: they have {size} log likelihood"
                f"{'s' if size > 1 else ''} in all, under the name {component.label!r}."
            )


def _coarser(enumeration: Enumeration, component: Component) -> bool:
    """Whether a single observed site has fewer independent elements than values."""
    return any(
        factor.plates != component.plates
        for number in component.factors
        if (factor := enumeration.factors[number]).name in component.observed
    )
