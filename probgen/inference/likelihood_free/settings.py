"""What a method of approximate Bayesian computation is asked for, and checks of its settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from probgen.errors import OptionError
from probgen.inference.likelihood_free.distance import Comparison
from probgen.inference.likelihood_free.simulator import Simulator

__all__ = ["SimulationPlan", "check_comparison", "check_number", "check_whole", "shown"]


@dataclass(frozen=True)
class SimulationPlan:
    """What `infer` asks of a method that simulates."""

    simulator: Simulator
    comparison: Comparison
    chains: int
    draws: int
    seed: int
    show: Callable[[int, int, str], None] = lambda done, total, detail: None
    """Called with what is done, of how much, and with what is to be told of it."""
    keep: Callable[[Any, Any], None] = lambda steps, state: None
    """Called with the steps of the method (`loop.Steps`) and where they stand, after each."""
    state: Mapping[str, np.ndarray] | None = None
    """Where an earlier run of the same method, seed and size stood, as arrays by name: this one
    goes on from there, to the same bits as if there had been no break."""

    def generator(self, *place: int) -> np.random.Generator:
        """Random numbers of one place in the run, which depend on it and the seed alone."""
        return np.random.default_rng(np.random.SeedSequence([self.seed % 2**64, *place]))


def shown(method: Any) -> str:
    """A method with its settings; functions by their names, the same in every process."""
    told = []
    for each in fields(method):
        value = getattr(method, each.name)
        named = getattr(value, "__name__", None) if callable(value) else None
        told.append(f"{each.name}={named or repr(value)}")
    return f"{method.name}({', '.join(told)})"


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
