"""One fault of a model or its data, and how faults become errors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from probgen.errors import DataError, ModelError

__all__ = ["Problem", "error", "raise_errors", "warning"]


@dataclass(frozen=True)
class Problem:
    """A fault: `severity` "error" or "warning", the site or data entry, what, and the cure.

    `about` says where the cure has to be applied: to the "model" or to the "data".
    """

    severity: Literal["error", "warning"]
    site: str | None
    message: str
    cure: str
    about: Literal["model", "data"] = "model"

    def __str__(self) -> str:
        return f"{self.message}\n  {self.cure}" if self.cure else self.message


def error(site: str | None, message: str, cure: str) -> Problem:
    """A fault of the model that makes inference impossible or wrong."""
    return Problem("error", site, message, cure)


def warning(site: str | None, message: str, cure: str) -> Problem:
    """A fault of the model that inference survives, but that is seldom meant."""
    return Problem("warning", site, message, cure)


def raise_errors(problems: Iterable[Problem]) -> None:
    """Raise the errors among `problems` together; warnings do not count.

    Raises `DataError` when all of them are about the data, `ModelError` otherwise.
    """
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        kind = DataError if all(problem.about == "data" for problem in errors) else ModelError
        raise kind("\n".join(map(str, errors)))
