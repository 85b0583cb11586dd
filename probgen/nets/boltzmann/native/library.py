"""The compiled kernels of Boltzmann machines, built once per machine on first use."""

from __future__ import annotations

import ctypes
import warnings
from functools import lru_cache
from pathlib import Path

from probgen.compile.assemble import assemble
from probgen.compile.build import build
from probgen.errors import BuildError

__all__ = ["library", "source"]


def source() -> str:
    """The C++ text of the kernels."""
    return assemble(Path(__file__).parent, "kernels.cpp")


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | None:
    """The kernels, or None with a warning where there is no compiler."""
    try:
        loaded = build(source(), "boltzmann")
    except BuildError as error:
        slower = "Boltzmann machines are drawn and learned by torch, which is slower."
        warnings.warn(f"{slower} {error}", stacklevel=2)
        return None
    pointer, integer = ctypes.c_void_p, ctypes.c_int64
    for function in (loaded.probgen_binary_float, loaded.probgen_binary_bfloat16):
        function.restype = None
        function.argtypes = [pointer] * 6 + [ctypes.c_float] + [integer] * 3 + [ctypes.c_uint64]
    for function in (loaded.probgen_descend_float, loaded.probgen_descend_bfloat16):
        function.restype = None
        function.argtypes = [pointer] * 8 + [integer] * 2 + [ctypes.c_float] * 3
    return loaded
