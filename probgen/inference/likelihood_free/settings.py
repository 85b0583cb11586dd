"""What a method of approximate Bayesian computation is asked for, and checks of its settings."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from probgen.errors import OptionError
from probgen.inference.likelihood_free.distance import Comparison
from probgen.inference.likelihood_free.simulator import Simulator

__all__ = ["SimulationPlan", "check_comparison", "check_number", "check_whole"]


@dataclass(frozen=True)
class SimulationPlan:
    """What `infer` asks of a method that simulates."""

    simulator: Simulator
    comparison: Comparison
    chains: int
    draws: int
    seed: int
    spent: int
    """Simulations made so far, to find the scales of summaries."""
    show: Callable[[int, int, str], None] = lambda done, total, detail: None
    """Called with what is done, of how much, and with what is to be told of it."""


def check_number(owner: Any, name: str, low: float, high: float, closed: bool = False) -> None:
    """Raise `OptionError` unless a setting is None or a number between `low` and `high`."""
    value = getattr(owner, name)
    if value is None:
        return
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    inside = number and math.isfinite(value) and low <= value < high
    if not inside or (value == low and not closed):
        between = f"above {low:g}" if high == math.inf else f"between {low:g} and {high:g}"
        raise OptionError(f"{owner.name}({name}={value!r}): it must be a number {between}.")


def check_whole(owner: Any, name: str, least: int = 1) -> None:
    """Raise `OptionError` unless a setting is an integer of at least `least`."""
    value = getattr(owner, name)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise OptionError(f"{owner.name}({name}={value!r}): it must be an integer >= {least}.")


def check_comparison(owner: Any) -> None:
    """Raise `OptionError` unless `summaries` and `distance` are functions or None."""
    for name in ("summaries", "distance"):
        value = getattr(owner, name)
        if value is not None and not callable(value):
            raise OptionError(f"{owner.name}({name}={value!r}): give a function, or None.")
