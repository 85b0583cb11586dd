"""What kind of network a declaration is, found without importing pgmpy."""

from __future__ import annotations

import numbers
from typing import Any

__all__ = ["is_continuous", "is_temporal", "slices_of"]

_CONTINUOUS = ("LinearGaussianBayesianNetwork", "FunctionalBayesianNetwork", "GaussianNetwork")
_TEMPORAL = ("DynamicBayesianNetwork", "MarkovChain")


def is_continuous(model: Any) -> bool:
    """Whether a network has continuous variables: then it is inferred as a Pyro program."""
    return _is_one_of(model, _CONTINUOUS)


def is_temporal(model: Any) -> bool:
    """Whether a network has time slices, so that it is unrolled before inference."""
    return _is_one_of(model, _TEMPORAL)


def slices_of(model: Any, data: Any) -> int | None:
    """Time slices that the evidence asks of a model; None where the model has no time.

    Evidence names a variable in slice t as (variable, t) or as text, "A[t]". `data` is a mapping
    or a pandas row; anything else asks for nothing (reading the evidence refuses it).
    """
    if not is_temporal(model):
        return None
    keys = data.keys() if hasattr(data, "keys") else ()
    return max([2, *(_slice(key) + 1 for key in keys)])


def _slice(key: Any) -> int:
    if isinstance(key, tuple) and len(key) == 2 and isinstance(key[1], numbers.Integral):
        return int(key[1])
    if isinstance(key, str) and key.endswith("]"):
        number = key.rpartition("[")[2][:-1]
        return int(number) if number.isdecimal() else 0
    return 0


def _is_one_of(model: Any, names: tuple[str, ...]) -> bool:
    return any(kind.__name__ in names for kind in type(model).__mro__)
