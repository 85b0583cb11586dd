"""Which program a stored run belongs to, and how it is found again.

Nothing is unpickled: a program is found by the name of a zoo model, by its model file, or by
the name of an importable function that uses Pyro, each only while its source is what it was.
Finding it runs that file or imports that module, as the first run did; pass the model to
`resume` for a store that somebody else made.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

from probgen.declare.data import name_of
from probgen.declare.findprogram import uses_pyro
from probgen.declare.modelfile import load_model, load_zoo_model
from probgen.errors import ProbgenError, StoreError
from probgen.inference.model_source import own_source

__all__ = ["describe_program", "find_program_again", "source_differs"]

_ZOO = "probgen.models."
_FILE = "probgen_model_"


def describe_program(model: Callable[..., Any]) -> dict[str, Any]:
    """Name and checksum of the source of a program, and where it can be found."""
    return {"name": name_of(model), "source": _source_digest(model), "found": _where(model)}


def _source_digest(model: Callable[..., Any]) -> str | None:
    """SHA-256 of the source of a function, or of the class of an object that can be called."""
    text = own_source(model)
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()


def source_differs(model: Callable[..., Any], described: dict[str, Any]) -> bool:
    """Whether the source of a program is known and not what it was."""
    before, now = described.get("source"), _source_digest(model)
    return before is not None and now is not None and before != now


def _where(model: Callable[..., Any]) -> dict[str, str] | None:
    """How a function is found again; None for what has no name of its own in a module."""
    name, module = getattr(model, "__qualname__", ""), getattr(model, "__module__", "") or ""
    home = sys.modules.get(module)
    if not name.isidentifier() or getattr(home, name, None) is not model or home is None:
        return None
    if module.startswith(_ZOO):
        return {"zoo": module.rpartition(".")[2], "name": name}
    if module.startswith(_FILE):
        return {"file": str(home.__file__), "name": name}
    return None if module == "__main__" else {"module": module, "name": name}


def find_program_again(described: dict[str, Any]) -> Callable[..., Any]:
    """The program that a manifest describes.

    Raises `StoreError` when it cannot be found, so that it must be given.
    """
    where = described.get("found") or {}
    model: Any = None
    try:
        if "zoo" in where:
            model = load_zoo_model(where["zoo"], where["name"]).program
        elif "file" in where:
            model = load_model(f"{where['file']}:{where['name']}").program
        elif "module" in where:
            model = getattr(importlib.import_module(where["module"]), where["name"])
            if not _is_program(model) or _source_digest(model) != described.get("source"):
                model = None
    except (ProbgenError, ImportError, AttributeError) as error:
        raise StoreError(
            f"The program {described.get('name')!r} of the store was not found again: {error} "
            "Pass it: resume(path, model)."
        ) from error
    if model is None:
        raise StoreError(
            f"The store does not say where its program {described.get('name')!r} is to be found. "
            "Pass it: resume(path, model)."
        )
    return model


def _is_program(function: Any) -> bool:
    """A function that uses Pyro: a store must not be able to name any other."""
    inner = inspect.unwrap(function) if callable(function) else function
    return isinstance(inner, FunctionType) and uses_pyro(inner)
