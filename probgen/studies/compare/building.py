"""What is built once per machine and is no cost of a method: libraries; and what a model costs."""

from __future__ import annotations

import math
import os
import tempfile
import time
import warnings
from collections.abc import Mapping
from typing import Any

from probgen.compile.build import cache_directory
from probgen.inference.boltzmann.recognise import is_machine

__all__ = ["cold_compile", "libraries"]


def libraries() -> int:
    """How many libraries of samplers and engines have been built on this machine."""
    built = cache_directory().glob("*.so")
    return sum(not file.name.startswith("density-") for file in built)


def cold_compile(model: Any, data: Mapping[Any, Any] | None) -> float:
    """Seconds to trace and compile a program's density on a machine that never saw it.

    Samplers' own libraries, built once per machine, are built before and not counted.
    """
    from probgen.errors import BuildError
    from probgen.inference.native.library import load
    from probgen.inference.native.microcanonical import load_microcanonical
    from probgen.targets.reuse import density_of

    try:
        load()
        load_microcanonical()
    except BuildError:
        return math.nan
    if is_machine(model):
        return 0.0  # which density it is depends on the method: every run says itself
    with tempfile.TemporaryDirectory(prefix="probgen-compare-") as folder:
        os.environ["PROBGEN_CACHE"] = folder  # of this process alone, which ends after this
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            started = time.perf_counter()
            density_of(model, data)
        return time.perf_counter() - started
