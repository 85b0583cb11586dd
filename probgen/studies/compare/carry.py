"""Calls as bytes that another process of ours can read, the user's own code included."""

from __future__ import annotations

import pickle
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from probgen.errors import ModelError

__all__ = ["packed"]


def packed(function: Callable[..., Any], *arguments: Any, owners: Iterable[Any] = ()) -> bytes:
    """A call as bytes, for `isolate.answer_of` here or on another machine.

    Modules of the user's own that hold the code of `owners` (a script, a model file and what
    lies beside it) travel by value: the other side may not be able to import them. Raises
    `ModelError` for what cannot travel, such as open files and locks.
    """
    import cloudpickle

    with _by_value(owners):
        try:
            return cloudpickle.dumps((function, arguments))
        except (TypeError, pickle.PicklingError, RecursionError) as error:
            raise ModelError(
                f"The model, its data or a method cannot be sent to another process ({error}). "
                "Open files, locks and connections in them are to be made inside the program."
            ) from error


@contextmanager
def _by_value(owners: Iterable[Any]) -> Iterator[None]:
    import cloudpickle

    registered = []
    for module in _own_modules(owners):
        try:
            cloudpickle.register_pickle_by_value(module)
        except ValueError:
            continue
        registered.append(module)
    try:
        yield
    finally:
        for module in registered:
            cloudpickle.unregister_pickle_by_value(module)


def _own_modules(owners: Iterable[Any]) -> list[ModuleType]:
    """Modules that define models or methods outside installed packages, and their neighbours."""
    folders = {
        file.parent
        for owner in owners
        for part in _parts(owner)
        if (file := _file_of(sys.modules.get(getattr(part, "__module__", None) or "")))
    }
    return [
        module
        for module in list(sys.modules.values())
        if (file := _file_of(module)) and file.parent in folders and module.__name__ != "__main__"
    ]


def _parts(owner: Any) -> Iterator[Any]:
    """What an object is made of, as far as its code may live in a module of the user's own."""
    inner = [value for value in getattr(owner, "__dict__", {}).values() if callable(value)]
    for thing in (owner, getattr(owner, "func", None), *inner):
        yield from (thing, getattr(thing, "__func__", None), type(thing))


def _file_of(module: Any) -> Path | None:
    """The file of a module that is neither Python's, nor installed, nor probgen's."""
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or module.__name__.partition(".")[0] == "probgen":
        return None
    path = Path(file).resolve()
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    return None if installed or _PYTHON in path.parents else path


_PYTHON = Path(sysconfig.get_path("stdlib")).resolve()
