"""The graph engines' C++: each entry file is built once per machine into a library of its own.

Calls through ctypes release the GIL, so chains and blocks of chains run in Python threads.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from pathlib import Path

from probgen.compile.assemble import assemble
from probgen.compile.build import build

__all__ = ["open_library", "source"]

_DIRECTORY = Path(__file__).parent


def source(entry: str) -> str:
    """The text of an engine, such as `gibbs.cpp`, headers included."""
    return assemble(_DIRECTORY, entry)


@lru_cache(maxsize=64)
def open_library(entry: str) -> ctypes.CDLL:
    """The library of an engine, built on first use; raises `BuildError` without a compiler."""
    return build(source(entry), entry.removesuffix(".cpp"))
