"""A Pyro program with its data and a method: compiled, given starting points, and run."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from probgen.errors import OptionError
from probgen.inference.initialise import find_starts
from probgen.inference.method import Method
from probgen.inference.only_discrete import only_discrete
from probgen.inference.options import ProgramOptions
from probgen.inference.program_run import LEARNT, PACKAGES, ProgramRun
from probgen.results.tree import Labels
from probgen.targets.density import Density
from probgen.targets.reuse import density_of
from probgen.targets.slopes import notes_on_slopes

__all__ = ["PACKAGES", "ProgramOptions", "ProgramRun", "infer_program", "prepare_program"]


def infer_program(
    model: Callable[..., Any],
    method: Method,
    data: Mapping[str, Any] | None,
    options: ProgramOptions,
    labels: Labels,
) -> xr.DataTree:
    """Draws of the latent sites of a program by `method`, as a DataTree; see `probgen.infer`."""
    return prepare_program(model, method, data, options, labels).sample()


def prepare_program(
    model: Callable[..., Any],
    method: Method,
    data: Mapping[str, Any] | None,
    options: ProgramOptions,
    labels: Labels,
    start: Mapping[str, np.ndarray] | None = None,
) -> ProgramRun:
    """Read and compile a program and find where chains start, so that it can be sampled.

    `start` holds what an earlier run started from (`ProgramRun.start`), in place of a search.
    """
    started = time.perf_counter()
    backend = options.backend
    if hasattr(method, "prepared"):
        model, backend = method.prepared(model, data, backend)
    density, reused = density_of(model, data, backend, options.precision, options.device)
    compiled = time.perf_counter()
    run = ProgramRun(density, method, options, labels)
    if not reused:
        run.seconds_trace = density.seconds_trace
        run.seconds_compile = compiled - started - density.seconds_trace
    if start is not None:
        run.initial = start["initial"]
        learnt = {n.removeprefix(LEARNT): v for n, v in start.items() if n.startswith(LEARNT)}
        run.adaptation = learnt or None
        return run
    searching = time.perf_counter()
    run.initial, notes = find_starts(density, options.chains, options.seed, options.init)
    run.seconds_start = time.perf_counter() - searching
    run.notes = [*notes]
    if density.backend in ("eager", "callable") and not only_discrete(density):
        wrong = notes_on_slopes(density, run.initial)
        run.notes += wrong
        for note in wrong:  # now, since sampling may take for ever
            warnings.warn(note, stacklevel=3)
    run.adaptation = _learnt(options.adapted, method, density, options.chains)
    return run


def _learnt(
    earlier: xr.DataTree | None, method: Method, density: Density, chains: int
) -> dict[str, np.ndarray] | None:
    """What an earlier run learnt, one row per chain; raises `OptionError` if it does not fit."""
    if earlier is None:
        return None
    if not isinstance(earlier, xr.DataTree) or "adaptation" not in earlier.children:
        raise OptionError(
            "adapted: this holds no adaptation; give the result of an earlier `infer` with the "
            "same method."
        )
    if earlier.attrs.get("method") != method.name:
        raise OptionError(
            f"adapted: that run used {earlier.attrs.get('method')}, and this one uses "
            f"{method.name}; what one method learns does not serve another."
        )
    learnt = {str(n): v.values for n, v in earlier["adaptation"].dataset.data_vars.items()}
    coordinates = learnt["position"].shape[-1]
    if coordinates != density.dim:
        raise OptionError(
            f"adapted: that run had {coordinates} coordinates, and this one has {density.dim}."
        )
    return {n: v[np.arange(chains) % len(v)] for n, v in learnt.items()}
