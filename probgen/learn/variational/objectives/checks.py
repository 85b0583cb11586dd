"""Checks of the settings that objectives have in common."""

from __future__ import annotations

import math
from typing import Any

from probgen.errors import OptionError

__all__ = ["check_count", "check_number"]


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
