"""The text that says what a model is, kept with every result: so that it can still be read later.

Of a Pyro program it is the source of its function or class; for networks see `network_text`.
"""

from __future__ import annotations

import inspect
from types import FunctionType
from typing import Any

from probgen.declare.data import innermost
from probgen.declare.logdensity import LogDensity
from probgen.results.sources import cut, source_text

__all__ = ["own_source", "program_text"]


def own_source(model: Any) -> str | None:
    """Source of the function, or of the class of the object, under partials and handlers."""
    inner = _written(model)
    if inspect.ismethod(inner):
        inner = inner.__func__
    return source_text(inner if isinstance(inner, FunctionType) else type(inner))


def program_text(model: Any) -> str:
    """The source of a Pyro program, cut where it is long; "" where there is none to be found.

    Programs that this library makes itself, such as those of continuous networks, have none that
    would say what the user wrote.
    """
    inner = _written(model)
    home = str(getattr(inner, "__module__", ""))
    if home.startswith("probgen.") and not home.startswith("probgen.models."):
        return ""
    return cut(own_source(model) or "")


def _written(model: Any) -> Any:
    """What the user wrote."""
    inner = innermost(model)
    return innermost(inner.function) if isinstance(inner, LogDensity) else inner
