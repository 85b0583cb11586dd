"""Which function of a module is the Pyro program.

In this order: the one asked for by name, the one named like the file, the one called `model`
(the habit of Pyro's own examples), a new instance of the class named like the file (`RBM` in
rbm.py), the only public function that uses Pyro, itself or through another function of the file,
the only network of the file. Guides and `main` do not count. What a function uses is read off its
compiled code. Where two functions could be meant nothing is guessed: the error lists them.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from probgen.errors import ModelError

__all__ = ["find_program", "is_class_of_file", "uses_pyro"]

_RESERVED = frozenset({"data", "method", "reference"})


def find_program(module: ModuleType, stem: str, function: str | None = None) -> Any:
    """The Pyro program or network of `module`, whose file is called `stem`.py.

    Raises `ModelError`, listing the candidates, when the function asked for is not there, or
    when none or several could be the program.
    """
    if function is not None:
        return _named(module, stem, function)
    from probgen.declare.networks.recognise import is_network

    for name in (stem, "model"):
        candidate = vars(module).get(name)
        if is_network(candidate) or (callable(candidate) and not inspect.isclass(candidate)):
            return candidate
    if (program := _class_of_the_file(module, stem)) is not None:
        return _instance(program, stem)
    programs = _programs(module) or _networks(module)
    if len(programs) == 1:
        return next(iter(programs.values()))
    if not programs:
        classes = _classes(module)
        instance = f", or make an instance, `model = {classes[0]}()`" if classes else ""
        raise ModelError(
            f"{stem}.py holds no Pyro program: no public function in it uses pyro.sample. "
            f"Define `def {stem}(...)` with pyro.sample statements{instance}."
        )
    raise ModelError(
        f"{stem}.py holds several functions that use Pyro: {', '.join(programs)}. Say which is "
        f"the program, for instance {stem}.py:{next(iter(programs))}; or name it {stem}; or "
        "start the names of its parts with an underscore."
    )


def is_class_of_file(name: str, stem: str) -> bool:
    """Whether a class is called like its file, as RBM in rbm.py or GaussianRBM in gaussian_rbm."""
    return name.lower() == stem.replace("_", "").lower()


def uses_pyro(function: FunctionType) -> bool:
    """Whether a function itself names Pyro or one of its primitives."""
    return _uses_pyro(function, set(_names(function.__code__)))


def _class_of_the_file(module: ModuleType, stem: str) -> type | None:
    """The class called like the file (`RBM` in rbm.py) whose instances are programs."""
    for name, value in vars(module).items():
        if (
            inspect.isclass(value)
            and is_class_of_file(name, stem)
            and value.__module__ == module.__name__
            and "__call__" in dir(value)
        ):
            return value
    return None


def _classes(module: ModuleType) -> list[str]:
    """Classes of the file whose instances can be called, those that use Pyro first."""
    own = {
        name: value
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__ and _public(name)
    }
    callable_ = [name for name, value in own.items() if "__call__" in dir(value)]
    return sorted(callable_, key=lambda name: not any(map(uses_pyro, _methods(own[name]))))


def _methods(kind: type) -> list[FunctionType]:
    return [value for value in vars(kind).values() if isinstance(value, FunctionType)]


def _instance(program: type, stem: str) -> Any:
    try:
        return program()
    except TypeError as error:
        raise ModelError(
            f"The class {program.__name__} of {stem}.py cannot be made without arguments "
            f"({error}): give its arguments defaults, or make an instance in the file, "
            f"`model = {program.__name__}(...)`."
        ) from error


def _named(module: ModuleType, stem: str, function: str) -> Any:
    from probgen.declare.networks.recognise import is_network

    candidate = vars(module).get(function)
    if inspect.isclass(candidate):
        raise ModelError(
            f"{function!r} in {stem}.py is a class; a program is a function or an instance. "
            f"Make one in the file, for instance `model = {function}()`, and name that."
        )
    if callable(candidate) or is_network(candidate):
        return candidate
    if candidate is not None:
        raise ModelError(
            f"{function!r} in {stem}.py is no function but {type(candidate).__name__}."
        )
    functions = [name for name in _functions(module) if not name.startswith("_")]
    close = difflib.get_close_matches(function, functions, n=1, cutoff=0.6)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    there = ", ".join(functions) or "none"
    raise ModelError(f"{stem}.py has no function {function!r}.{hint} Its functions: {there}.")


def _functions(module: ModuleType) -> dict[str, FunctionType]:
    """Functions defined in the module itself, in the order of the file."""
    found = {}
    for name, value in vars(module).items():
        if callable(value) and name not in _RESERVED:
            inner = inspect.unwrap(value)  # decorators such as config_enumerate wrap
            if isinstance(inner, FunctionType) and inner.__module__ == module.__name__:
                found[name] = inner
    return found


def _programs(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """Public functions that use Pyro, themselves or through functions that they name."""
    functions = _functions(module)
    names = {name: set(_names(function.__code__)) for name, function in functions.items()}
    using = {name for name, function in functions.items() if _uses_pyro(function, names[name])}
    found = None
    while found != using:
        found = set(using)
        using |= {name for name in functions if names[name] & found}
    return {name: getattr(module, name) for name in functions if name in using and _public(name)}


def _networks(module: ModuleType) -> dict[str, Any]:
    from probgen.declare.networks.recognise import is_network

    return {
        name: value
        for name, value in vars(module).items()
        if is_network(value) and not name.startswith("_")
    }


def _public(name: str) -> bool:
    return not (name.startswith("_") or name in ("guide", "main") or name.endswith("_guide"))


def _uses_pyro(function: FunctionType, names: set[str]) -> bool:
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
