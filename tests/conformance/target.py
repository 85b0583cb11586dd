"""What the runner samples: a posterior of posteriordb or a model of the zoo, in one shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from probgen import models
from tests.conformance.database import Database, Entry
from tests.conformance.reference import Estimates, estimates, moments
from tests.conformance.registry import declared

Reference = Mapping[str, Estimates]

# They show how sampling fails: no step size suits the whole of them.
MEANT_TO_FAIL = {"banana", "funnel"}


@dataclass(frozen=True)
class Target:
    """One posterior: program, data, settings of `infer`, and what is known of the answer."""

    name: str
    program: Callable[..., None]
    data: Callable[[], dict[str, Any]]
    reference: Callable[[], Reference]
    """Estimates of every known scalar; empty where nothing is known."""
    options: Mapping[str, Any] = field(default_factory=dict)
    renamed: Mapping[str, str] = field(default_factory=dict)
    explained: str = ""


def from_database(database: Database, entry: Entry) -> Target | None:
    """The posterior `entry`, or None where no file declares it."""
    found = declared(entry.name, entry.model)
    if found is None:
        return None
    return Target(
        name=entry.name,
        program=found.program,
        data=lambda: found.data(database.data(entry.name)),
        reference=partial(_reference, database, entry),
        options=found.options,
        renamed=found.renamed,
        explained=found.explained,
    )


def _reference(database: Database, entry: Entry) -> Reference:
    if not entry.has_reference:
        return {}
    draws = database.reference_draws(entry.name)
    return {parameter: estimates(values) for parameter, values in draws.items()}


def from_zoo() -> Iterator[Target]:
    """Every model of the zoo meant to succeed whose `reference` says how uncertain it is.

    That is a mapping of scalars to (mean, its error, standard deviation, its error).
    """
    for name in sorted(set(models.names(learned=False)) - MEANT_TO_FAIL):
        model = models.load(name)
        known = model.reference or {}
        if known and all(isinstance(value, tuple) for value in known.values()):
            yield Target(
                name=f"zoo/{name}",
                program=model.program,
                data=lambda model=model: model.data,  # type: ignore[misc]
                reference=lambda known=known: {k: moments(*v) for k, v in known.items()},  # type: ignore[misc]
                options={"method": model.method} if model.method else {},
            )
