"""The samplers' C++ as one text, built once per machine and loaded with typed functions.

The compiler is handed a single text, so the headers beside this file are put in place of their
`#include` lines. Two shared objects meet at run time by function pointer: this library, the same
for all models, and the density of one model.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from pathlib import Path

from probgen.compile.assemble import assemble
from probgen.compile.build import build
from probgen.inference.adapt.settings import Learnt, Report, Settings
from probgen.inference.native.handle import declare

__all__ = ["load", "open_library", "source"]

_DIRECTORY = Path(__file__).parent


def source(entry: str = "run.cpp") -> str:
    """The text of `entry` with every header of this directory put in once, in order of need."""
    return assemble(_DIRECTORY, entry)


@lru_cache(maxsize=1)
def load() -> ctypes.CDLL:
    """The sampler library, built on first use; raises `BuildError` without a compiler."""
    return open_library(source())


def open_library(text: str) -> ctypes.CDLL:
    """Build and load sampler source `text` (`source()`, or a variant of it under test)."""
    library = build(text, "samplers")
    declare(library)
    library.probgen_open.restype = ctypes.c_void_p
    library.probgen_open.argtypes = [
        ctypes.POINTER(Settings),
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_uint64,
        ctypes.POINTER(Learnt),
        ctypes.POINTER(Report),
    ]
    library.probgen_settings_size.restype = ctypes.c_int64
    if library.probgen_settings_size() != ctypes.sizeof(Settings):
        raise RuntimeError("Settings differs between Python and settings.hpp")
    return library
