"""What the files in `posteriors/` declare, found by the name of a posterior or of its model."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any

from tests.conformance import posteriors

Data = dict[str, Any]


@dataclass(frozen=True)
class Declared:
    """A model of posteriordb as a Pyro program, and how `infer` is to run it."""

    program: Callable[..., None]
    data: Callable[[Data], Data]
    """From posteriordb's `data.json` to the program's keyword arguments."""
    posteriors: tuple[str, ...]
    options: Data = field(default_factory=dict)
    """Keyword arguments of `infer`: method, init, draws, warmup."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    explained: str = ""


def declared(name: str, model: str | None = None) -> Declared | None:
    """The file that names the posterior `name`, else the one that has its model.

    posteriordb names a posterior by its data and its model, `data-model`; a file that declares
    the model serves its other data sets too.
    """
    by_posterior, by_model = _all()
    model = model or name.partition("-")[2]
    return by_posterior.get(name) or by_model.get(model)


def names() -> list[str]:
    """Every posterior that a file names, in alphabetical order."""
    return sorted(_all()[0])


@cache
def _all() -> tuple[dict[str, Declared], dict[str, Declared]]:
    by_posterior: dict[str, Declared] = {}
    by_model: dict[str, Declared] = {}
    for found in pkgutil.iter_modules(posteriors.__path__):
        one = _read(importlib.import_module(f"{posteriors.__name__}.{found.name}"))
        for name in one.posteriors:
            if name in by_posterior:
                raise ValueError(f"Two files in posteriors/ name {name!r}.")
            by_posterior[name] = one
            by_model.setdefault(name.partition("-")[2], one)
    return by_posterior, by_model


def _read(module: ModuleType) -> Declared:
    options = {
        option: getattr(module, constant)
        for option in ("method", "init", "draws", "warmup")
        if hasattr(module, constant := option.upper())
    }
    return Declared(
        program=module.program,
        data=module.data,
        posteriors=module.POSTERIORS,
        options=options,
        renamed=getattr(module, "RENAMED", {}),
        explained=getattr(module, "EXPLAINED", ""),
    )
