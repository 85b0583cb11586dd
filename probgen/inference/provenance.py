"""With which method and on which machine a stored run was made, as JSON.

Nothing is unpickled: a method of probgen is made again from its settings, any other is asked for.
"""

from __future__ import annotations

import dataclasses
import importlib
import platform
import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from probgen.errors import OptionError
from probgen.learn.training.values import describe_value, made_again
from probgen.results.attributes import version_of

__all__ = [
    "DifferentMachineWarning",
    "describe_machine",
    "describe_method",
    "find_method",
    "warn_of_differences",
]


class DifferentMachineWarning(UserWarning):
    """A run goes on elsewhere than it began: its further draws may differ in their last bits."""


def describe_method(method: Any) -> dict[str, Any]:
    """A method's class and settings as JSON; settings None where some have no JSON."""
    settings: dict[str, Any] | None = None
    if dataclasses.is_dataclass(method):
        values = {f.name: getattr(method, f.name) for f in dataclasses.fields(method) if f.init}
        with suppress(TypeError):
            settings = {name: _encoded(value) for name, value in values.items()}
    kind = type(method)
    return {
        "module": kind.__module__,
        "class": kind.__qualname__,
        "settings": settings,
        "repr": repr(method),
    }


def find_method(described: dict[str, Any], given: Any = None) -> Any:
    """The method of a store: made again from its settings, or the one given if it is the same.

    Raises `OptionError` for another method, or when it must be given.
    """
    if given is not None:
        if repr(given) != described["repr"]:
            raise OptionError(
                f"The run was made with {described['repr']}, and method is {given!r}: going on "
                "with another method would be another run."
            )
        return given
    module, settings = str(described["module"]), described["settings"]
    if not module.startswith("probgen.inference.") or settings is None:
        raise OptionError(
            f"The method {described['repr']} cannot be made again from the store. Pass it: "
            "resume(path, method=...), or --method with its options."
        )
    kind = getattr(importlib.import_module(module), described["class"])
    return kind(**{name: _decoded(value) for name, value in settings.items()})


def describe_machine(packages: tuple[str, ...]) -> dict[str, str]:
    """What the bits of draws may depend on beside the model: versions, processor, compiler."""
    return {
        "probgen": version_of("probgen"),
        **{name: version_of(name) for name in packages},
        "machine": f"{platform.system()} {platform.machine()} {_processor()}".strip(),
    }


def warn_of_differences(then: Mapping[str, str], same_bits: bool = True) -> None:
    """Warn when versions or processor are not those of `then`, or the compiled code is not."""
    packages = tuple(name for name in then if name not in ("probgen", "machine"))
    now = describe_machine(packages)
    unlike = [f"{n}: {then[n]} then, {now.get(n)} now" for n in then if then[n] != now.get(n)]
    if not same_bits:
        unlike.append("the compiled density: another compiler, backend or version")
    if unlike:
        warnings.warn(
            "The run goes on elsewhere than it began, so that further draws may differ in their "
            f"last bits from those of an unbroken run ({'; '.join(unlike)}).",
            DifferentMachineWarning,
            stacklevel=2,
        )


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            named = [line.partition(":")[2].strip() for line in file if "model name" in line]
            return named[0] if named else ""
    except OSError:
        return platform.processor()


def _is_plain(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, str))


def _encoded(value: Any) -> Any:
    """JSON of plain values, and of values of this library such as the method inside another."""
    if _is_plain(value):
        return value
    found = describe_value(value)["value"]
    if found is None:
        raise TypeError(f"{value!r} has no JSON")
    return found


def _decoded(value: Any) -> Any:
    """JSON has lists only, and settings hold tuples."""
    if isinstance(value, dict):
        return made_again({"value": value, "repr": ""})
    return tuple(_decoded(item) for item in value) if isinstance(value, list) else value
