"""The graph engines' C++: each entry file is built once per machine into a library of its own.

Calls through ctypes release the GIL, so chains and blocks of chains run in Python threads.
"""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from probgen.compile.assemble import assemble
from probgen.compile.build import build
from probgen.errors import BuildError

__all__ = ["build_together", "open_library", "source"]

_DIRECTORY = Path(__file__).parent


def source(entry: str) -> str:
    """The text of an engine, such as `gibbs.cpp`, headers included."""
    return assemble(_DIRECTORY, entry)


@lru_cache(maxsize=64)
def open_library(entry: str) -> ctypes.CDLL:
    """The library of an engine, built on first use; raises `BuildError` without a compiler."""
    return build(source(entry), entry.removesuffix(".cpp"))


@lru_cache(maxsize=16)
def build_together(*entries: str) -> None:
    """Build libraries that will be needed one after the other, side by side.

    On the first use on a machine a compiler takes seconds for each. Where one cannot be built,
    `open_library` says so.
    """

    def attempt(entry: str) -> None:
        with suppress(BuildError):
            open_library(entry)

    with ThreadPoolExecutor(len(entries)) as pool:
        list(pool.map(attempt, entries))
