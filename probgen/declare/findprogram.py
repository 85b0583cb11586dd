"""Which function of a module is the Pyro program.

In this order: the one asked for by name, the one named like the file, the one called `model`
(the habit of Pyro's own examples), the only public function that uses Pyro. Functions that
others of the module call (parts of a program) and guides do not count. A function uses Pyro
when its code names `pyro` or one of Pyro's primitives; that is read off the compiled code, so
programs made without source text are found too.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from probgen.errors import ModelError

__all__ = ["find_program"]

_RESERVED = frozenset({"data", "method", "reference"})


def find_program(module: ModuleType, stem: str, function: str | None = None) -> Callable[..., Any]:
    """The Pyro program of `module`, whose file is called `stem`.py.

    Raises `ModelError`, listing the candidates, when the function asked for is not there, or
    when none or several could be the program.
    """
    if function is not None:
        return _named(module, stem, function)
    for name in (stem, "model"):
        candidate = vars(module).get(name)
        if callable(candidate) and not inspect.isclass(candidate):
            return candidate
    programs = _programs(module)
    if len(programs) == 1:
        return next(iter(programs.values()))
    if not programs:
        raise ModelError(
            f"{stem}.py holds no Pyro program: no public function in it uses pyro.sample. "
            f"Define `def {stem}(...)` with pyro.sample statements."
        )
    raise ModelError(
        f"{stem}.py holds several Pyro programs: {', '.join(programs)}. Say which one, for "
        f"instance {stem}.py:{next(iter(programs))}, or name one of them {stem}."
    )


def _named(module: ModuleType, stem: str, function: str) -> Callable[..., Any]:
    candidate = vars(module).get(function)
    if inspect.isclass(candidate):
        raise ModelError(
            f"{function!r} in {stem}.py is a class; a program is a function or an instance. "
            f"Make one in the file, for instance `model = {function}()`, and name that."
        )
    if callable(candidate):
        return candidate
    if candidate is not None:
        raise ModelError(
            f"{function!r} in {stem}.py is no function but {type(candidate).__name__}."
        )
    functions = list(_functions(module))
    close = difflib.get_close_matches(function, functions, n=1, cutoff=0.6)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    there = ", ".join(functions) or "none"
    raise ModelError(f"{stem}.py has no function {function!r}.{hint} Its functions: {there}.")


def _functions(module: ModuleType) -> dict[str, FunctionType]:
    """Public functions defined in the module itself, in the order of the file."""
    found = {}
    for name, value in vars(module).items():
        if name.startswith("_") or name in _RESERVED or not callable(value):
            continue
        inner = inspect.unwrap(value)  # decorators such as config_enumerate wrap
        if isinstance(inner, FunctionType) and inner.__module__ == module.__name__:
            found[name] = inner
    return found


def _programs(module: ModuleType) -> dict[str, Callable[..., Any]]:
    using = {name: f for name, f in _functions(module).items() if _uses_pyro(f)}
    parts = {
        name
        for caller, function in using.items()
        for name in _names(function.__code__)
        if name in using and name != caller
    }
    return {
        name: getattr(module, name)
        for name in using
        if name not in parts and name != "guide" and not name.endswith("_guide")
    }


def _uses_pyro(function: FunctionType) -> bool:
    names = set(_names(function.__code__))
    if "pyro" in names:
        return True
    return any(_is_primitive(function.__globals__.get(name)) for name in names)


def _is_primitive(value: Any) -> bool:
    """Whether a global of a program is `pyro` under another name, or one of its primitives."""
    if isinstance(value, ModuleType):
        return value.__name__ == "pyro"
    home = getattr(value, "__module__", None) or ""
    return callable(value) and home.split(".")[:2] == ["pyro", "primitives"]


def _names(code: CodeType) -> Iterator[str]:
    """Names that a function's code and the functions inside it refer to."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
