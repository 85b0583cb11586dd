"""Methods as a user gives them, each under a label of its own."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from probgen.errors import OptionError
from probgen.inference.arguments import check_method

__all__ = ["labelled"]

AUTOMATIC = "automatic"


def labelled(methods: Any) -> dict[str, Any]:
    """Methods by label: a mapping as it is, others by name, with what sets namesakes apart.

    None stands for the method that `infer` would choose. Raises `OptionError` for an empty list,
    classes in place of values, and two equal methods.
    """
    if isinstance(methods, Mapping):
        found = {str(label): method for label, method in methods.items()}
    elif isinstance(methods, Iterable) and not isinstance(methods, (str, bytes)):
        listed = list(methods)
        names = [_name(method) for method in listed]
        often = Counter(names)
        labels = [
            _with_settings(method) if often[name] > 1 else name
            for name, method in zip(names, listed, strict=True)
        ]
        twice = [label for label, count in Counter(labels).items() if count > 1]
        if twice:
            raise OptionError(
                f"methods: {twice[0]} is there twice; give a mapping from labels to methods."
            )
        found = dict(zip(labels, listed, strict=True))
    else:
        found = {_name(methods): methods}
    if not found:
        raise OptionError("methods: give at least one, such as [NUTS(), HMC()].")
    for method in found.values():
        if method is not None:
            check_method(method, "run")
    return found


def _name(method: Any) -> str:
    if method is None:
        return AUTOMATIC
    return str(getattr(method, "name", type(method).__name__))


def _with_settings(method: Any) -> str:
    """The name with the settings that are not the default."""
    if not dataclasses.is_dataclass(method) or isinstance(method, type):
        return _name(method)
    chosen = []
    for field in dataclasses.fields(method):
        value = getattr(method, field.name)
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if value != default:
            # a function's repr has its address in it, and a module's takes lines
            own = callable(value) and not dataclasses.is_dataclass(value)
            shown = getattr(value, "__name__", type(value).__name__) if own else repr(value)
            chosen.append(f"{field.name}={shown}")
    return f"{_name(method)}({', '.join(chosen)})" if chosen else _name(method)
