"""The native microcanonical samplers: built once per machine, one thread per chain."""

from __future__ import annotations

import ctypes
from functools import lru_cache

import numpy as np

from probgen.compile.build import build
from probgen.inference.adapt.settings import Output, Report
from probgen.inference.chains import Chains
from probgen.inference.method import DensityLike, Draws
from probgen.inference.microcanonical.settings import MicrocanonicalSettings, Tuning, Tunings
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
    sizes = library.probgen_microcanonical_sizes
    sizes.restype, sizes.argtypes = ctypes.c_int64, [ctypes.c_int32]
    for which, structure in enumerate((MicrocanonicalSettings, Tuning, Output, Report)):
        if sizes(which) != ctypes.sizeof(structure):
            raise RuntimeError(f"{structure.__name__} differs between Python and C++")
    settings, density = ctypes.POINTER(MicrocanonicalSettings), (ctypes.c_void_p, ctypes.c_void_p)
    library.probgen_run_microcanonical.restype = ctypes.c_int32
    library.probgen_run_microcanonical.argtypes = [
        settings,
        *density,
        ctypes.c_uint64,
        ctypes.c_void_p,
        ctypes.POINTER(Output),
        ctypes.POINTER(Tuning),
        ctypes.POINTER(Report),
        ctypes.c_void_p,
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
    initial = np.ascontiguousarray(chains.plan.initial, dtype=np.float64)

    def run_chain(chain: int, stop: int) -> int:
        outcome = library.probgen_run_microcanonical(
            chains.settings, native.address, native.context, chain, initial[chain].ctypes.data,
            chains.output(chain), tunings.of(chain), chains.reports[chain], stop,
        )  # fmt: skip
        return int(outcome)

    return run_on_threads(density, chains, run_chain)
