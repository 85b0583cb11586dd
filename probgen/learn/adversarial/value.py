"""Values of the adversarial method: frozen dataclasses that print what they compute."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from probgen.errors import OptionError
from probgen.learn.training.schedules import Schedule

__all__ = ["Value", "call_form", "check_count", "check_number", "number_words"]


class Value:
    """A frozen dataclass (made with repr=False) whose `repr` ends in its formula."""

    @property
    def formula(self) -> str:
        """What is computed, D being the critic's scores, sp(t) = log(1 + exp(t))."""
        return ""

    def __repr__(self) -> str:
        called = call_form(self)
        return f"{called}: {self.formula}" if self.formula else called


def call_form(value: Any) -> str:
    """How a value is written in Python, options that are at their defaults left out."""
    if isinstance(value, tuple):
        inner = ", ".join(map(call_form, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if not isinstance(value, Value):
        named = callable(value) and hasattr(value, "__qualname__")
        return value.__qualname__ if named else _short(value)
    told = []
    for field in dataclasses.fields(value):  # type: ignore[arg-type]
        found = getattr(value, field.name)
        if found is not field.default and not _same(found, field.default):
            told.append(f"{field.name}={call_form(found)}")
    return f"{type(value).__name__}({', '.join(told)})"


def number_words(value: Any) -> str:
    """A number, or "w" for a schedule, in a formula."""
    return "w(step)" if isinstance(value, Schedule) else f"{value:g}"


def check_number(owner: Any, *names: str, least: float = 0.0, above: bool = False) -> None:
    """Raise `OptionError` unless options are finite numbers of at least `least`, or schedules."""
    for name in names:
        value = getattr(owner, name)
        if isinstance(value, Schedule):
            continue
        wrong = isinstance(value, bool) or not isinstance(value, (int, float))
        if wrong or not math.isfinite(value) or value < least or (above and value == least):
            bound = f"above {least:g}" if above else f"of at least {least:g}"
            raise OptionError(
                f"{type(owner).__name__}({name}={value!r}): it must be a number {bound}, or a "
                "schedule of pg.schedules."
            )


def check_count(owner: Any, *names: str) -> None:
    """Raise `OptionError` unless options are integers of at least 1."""
    for name in names:
        value = getattr(owner, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise OptionError(
                f"{type(owner).__name__}({name}={value!r}): it must be an integer of at least 1."
            )


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and isinstance(one, (int, float, str, tuple)) and one == other


def _short(value: Any) -> str:
    """A module by its class: its whole architecture is no part of a method's name."""
    return f"{type(value).__name__}(...)" if hasattr(value, "state_dict") else repr(value)
