"""Checks of the settings that objectives have in common."""

from __future__ import annotations

import math
from typing import Any

from probgen.errors import OptionError

__all__ = ["check_count", "check_number", "check_rate", "checked_sites"]


def check_count(owner: object, name: str, least: int = 1) -> None:
    """Raise `OptionError` unless a field is an integer of at least `least`, or None."""
    value: Any = getattr(owner, name)
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise OptionError(
            f"{type(owner).__name__}({name}={value!r}): it must be an integer of at least {least}."
        )


def check_number(owner: object, name: str, low: float, high: float = math.inf) -> None:
    """Raise `OptionError` unless a field is a number in [low, high]."""
    value: Any = getattr(owner, name)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not low <= value <= high:
        between = f"of at least {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
        raise OptionError(
            f"{type(owner).__name__}({name}={value!r}): it must be a number {between}."
        )


def check_rate(owner: object) -> None:
    """Raise `OptionError` unless `learning_rate` is a positive number or a schedule."""
    if not hasattr(getattr(owner, "learning_rate"), "at"):  # noqa: B009
        check_number(owner, "learning_rate", 1e-12)


def checked_sites(owner: object) -> tuple[str, ...] | None:
    """The field `sites` as a tuple of names, or None. Raises `OptionError`."""
    value: Any = getattr(owner, "sites")  # noqa: B009
    if value is None:
        return None
    names = (value,) if isinstance(value, str) else tuple(value)
    if not names or not all(isinstance(name, str) for name in names):
        raise OptionError(f"{type(owner).__name__}(sites={value!r}): names of observed sites.")
    return names
