"""What kind of network a declaration is, found without importing pgmpy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["is_continuous", "slices_of"]

_CONTINUOUS = ("LinearGaussianBayesianNetwork", "FunctionalBayesianNetwork", "GaussianNetwork")


def is_continuous(model: Any) -> bool:
    """Whether a network has continuous variables: then it is inferred as a Pyro program."""
    return any(kind.__name__ in _CONTINUOUS for kind in type(model).__mro__)


def slices_of(names: Iterable[Any]) -> int | None:
    """Time slices that evidence on (variable, t) asks for; None when there is no such name."""
    times = [
        name[1]
        for name in names
        if isinstance(name, tuple) and len(name) == 2 and isinstance(name[1], int)
    ]
    return max(2, max(times) + 1) if times else None
