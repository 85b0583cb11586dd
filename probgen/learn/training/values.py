"""Methods and schedules as JSON: frozen dataclasses of this library, made again from their fields.

Nothing is unpickled. A value that holds anything else, such as a function that makes an
optimiser, has no JSON and must be given again.
"""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any

from probgen.errors import OptionError

__all__ = ["describe_value", "made_again"]

_HOME = "probgen."


def describe_value(value: Any) -> dict[str, Any]:
    """The `repr` of a value, and its JSON or None."""
    try:
        made: Any = _encode(value)
    except TypeError:
        made = None
    return {"repr": repr(value), "value": made}


def made_again(described: dict[str, Any], given: Any = None, what: str = "method") -> Any:
    """The value that was described, or the one given if it is the same; `what` names the option.

    Raises `OptionError` for another value, and where it must be given.
    """
    if given is not None:
        if described["value"] is not None and repr(given) != described["repr"]:
            raise OptionError(
                f"The training was begun with {described['repr']}, and {what} is {given!r}: going "
                f"on with another {what} would be another training."
            )
        return given
    if described["value"] is None:
        raise OptionError(
            f"The {what} {described['repr']} cannot be made again from the store. Pass it: "
            f"resume(path, model, {what}=...)."
        )
    return _decode(described["value"])


def _encode(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, tuple):
        return {"$tuple": [_encode(item) for item in value]}
    kind = type(value)
    if dataclasses.is_dataclass(value) and kind.__module__.startswith(_HOME):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}
        return {
            "$class": f"{kind.__module__}:{kind.__qualname__}",
            **{name: _encode(item) for name, item in fields.items()},
        }
    raise TypeError(f"{value!r} has no JSON")


def _decode(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "$tuple" in value:
        return tuple(_decode(item) for item in value["$tuple"])
    module, _, name = str(value["$class"]).partition(":")
    kind = getattr(importlib.import_module(module), name) if module.startswith(_HOME) else None
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise OptionError(f"The store names {value['$class']!r}, which is no value of probgen.")
    return kind(**{key: _decode(item) for key, item in value.items() if key != "$class"})
