"""The native microcanonical samplers: built once per machine, one thread per chain."""

from __future__ import annotations

import ctypes
from functools import lru_cache

from probgen.compile.build import build
from probgen.inference.adapt.learnt import addresses
from probgen.inference.adapt.settings import Learnt, Report
from probgen.inference.chains import Chains
from probgen.inference.method import DensityLike, Draws
from probgen.inference.microcanonical.settings import MicrocanonicalSettings, Tuning, Tunings
from probgen.inference.native.handle import NativeChain, declare
from probgen.inference.native.library import source
from probgen.inference.native.threads import run_on_threads

__all__ = ["ENTRY", "load_microcanonical", "open_microcanonical", "run_microcanonical"]

ENTRY = "microcanonical.cpp"


@lru_cache(maxsize=1)
def load_microcanonical() -> ctypes.CDLL:
    """The library, built on first use; raises `BuildError` without a compiler."""
    return open_microcanonical(source(ENTRY))


def open_microcanonical(text: str) -> ctypes.CDLL:
    """Build and load source `text` (`source(ENTRY)`, or a variant of it under test)."""
    library = build(text, "microcanonical")
    declare(library)
    sizes = library.probgen_microcanonical_sizes
    sizes.restype, sizes.argtypes = ctypes.c_int64, [ctypes.c_int32]
    for which, structure in enumerate((MicrocanonicalSettings, Tuning)):
        if sizes(which) != ctypes.sizeof(structure):
            raise RuntimeError(f"{structure.__name__} differs between Python and C++")
    settings, density = ctypes.POINTER(MicrocanonicalSettings), (ctypes.c_void_p, ctypes.c_void_p)
    library.probgen_open_microcanonical.restype = ctypes.c_void_p
    library.probgen_open_microcanonical.argtypes = [
        settings,
        *density,
        ctypes.c_uint64,
        ctypes.POINTER(Learnt),
        ctypes.POINTER(Tuning),
        ctypes.POINTER(Report),
    ]
    library.probgen_isokinetic.restype = ctypes.c_double
    library.probgen_isokinetic.argtypes = [
        settings,
        *density,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_int64,
    ]
    return library


def run_microcanonical(
    density: DensityLike, chains: Chains, tunings: Tunings, library: ctypes.CDLL
) -> Draws:
    """Run the chains of a density that has a native function."""
    native = density.native
    if native is None:
        raise ValueError("this density has no native function")

    def open_chain(index: int, stop: int) -> NativeChain:
        handle = library.probgen_open_microcanonical(
            chains.settings, native.address, native.context, index,
            addresses(chains.learnt, index), tunings.of(index), chains.reports[index],
        )  # fmt: skip
        return NativeChain(library, handle, stop)

    return run_on_threads(density, chains, open_chain)
