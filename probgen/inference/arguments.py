"""Checks of what `infer` and `fit` are asked for, before any work is done."""

from __future__ import annotations

import numbers
import secrets
from collections.abc import Mapping
from typing import Any

from probgen.errors import OptionError

__all__ = ["check_choices", "check_counts", "check_method", "seed_of", "simulates"]

_LOWEST = {"draws": 0, "warmup": 0}  # all others: 1
_CHOICES = {
    "backend": ("auto", "native", "torch", "eager"),
    "precision": ("float64", "float32"),
}
_VERBS = {"run": "infer", "learn": "fit", "learner": "fit"}
_EXAMPLES = {
    "run": "NUTS() for programs; Exact(), Gibbs(), BeliefPropagation() ... for networks",
    "learn": "MaximumLikelihood(), EM(), HillClimb() ...",
    "learner": "CD(), PCD() ... for programs",
}


def seed_of(seed: Any) -> int:
    """The seed as a Python integer, drawn at random when it is None. Raises `OptionError`."""
    if seed is None:
        return secrets.randbelow(2**31)
    if not isinstance(seed, numbers.Integral) or isinstance(seed, bool):
        raise OptionError(f"seed={seed!r}: must be an integer.")
    return int(seed)


def check_counts(counts: Mapping[str, Any]) -> None:
    """Raise `OptionError` for a number of chains, draws ... that is none; None is left alone."""
    for name, count in counts.items():
        lowest = _LOWEST.get(name, 1)
        if count is None:
            continue
        if not isinstance(count, numbers.Integral) or isinstance(count, bool) or count < lowest:
            raise OptionError(f"{name}={count!r}: must be an integer of at least {lowest}.")


def check_choices(**given: Any) -> None:
    """Raise `OptionError` for an option that is none of its known values."""
    for name, value in given.items():
        if value not in _CHOICES[name]:
            known = ", ".join(map(repr, _CHOICES[name]))
            raise OptionError(f"{name}={value!r}: must be one of {known}.")


def check_method(method: Any, does: str) -> None:
    """Raise `OptionError` unless `method` is a value that can do what `does` names."""
    verb = _VERBS[does]
    if isinstance(method, type):
        raise OptionError(
            f"method={method.__name__} is a class: {verb} takes a value, {method.__name__}()."
        )
    if callable(getattr(method, does, None)):
        return
    other = next((word for word in _VERBS if hasattr(method, word)), None)
    hint = f" {_VERBS[other]} takes it." if other else ""
    raise OptionError(
        f"method={method!r} is no method of {verb}: these are {_EXAMPLES[does]}.{hint}"
    )


def simulates(method: Any) -> bool:
    """Whether a method takes simulations in place of a density."""
    return "simulator" in getattr(method, "serves", ())
