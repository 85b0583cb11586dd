"""Modules broken on purpose: their source with one expression replaced."""

from __future__ import annotations

import inspect
import sys
from types import ModuleType


def mutant(module: ModuleType, old: str, new: str) -> ModuleType:
    """A copy of `module` in which `new` stands for `old`; nothing else sees it."""
    text = inspect.getsource(module)
    assert text.count(old) == 1, f"the mutation no longer fits the source: {old!r}"
    broken = ModuleType(module.__name__ + "_mutant")
    # Dataclasses look their own module up.
    sys.modules[broken.__name__] = broken
    exec(compile(text.replace(old, new), broken.__name__, "exec"), broken.__dict__)
    return broken
