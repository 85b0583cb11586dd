"""A run of simulations in a store: what the manifest says of it, and making it ready again."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from probgen.errors import ModelError, OptionError
from probgen.inference.identity import describe_program
from probgen.inference.likelihood_free.distance import Pilot
from probgen.inference.likelihood_free.prepare import prepare_simulation
from probgen.inference.likelihood_free.run import PACKAGES, SimulationOptions, SimulationRun
from probgen.inference.provenance import (
    describe_machine,
    describe_method,
    find_method,
    warn_of_differences,
)
from probgen.inference.stored_data import plain_data, tensor_data
from probgen.inference.stored_program import found_again, labels_from_json, labels_json
from probgen.inference.storing import Request
from probgen.results.store.checkpoint import read_start

__all__ = ["describe", "restore"]

_CHECKED, _CHECK_SEED = 16, 0xC4EC
_DIFFERENT = 1e-8  # relative; less is rounding


def describe(
    run: SimulationRun, model: Any, data: Mapping[Any, Any] | None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The manifest of a run, without its format, and the arrays that it starts from."""
    options, given = run.options, run.simulator.program.data
    plain, missing = plain_data(given)
    manifest = {
        "model": describe_program(model),
        "method": describe_method(run.method),
        "options": {name: getattr(options, name) for name in ("chains", "draws", "seed")},
        "labels": labels_json(run.labels),
        "data": {"plain": plain, "missing": missing},
        "machine": describe_machine(PACKAGES),
    }
    pilot = run.comparison.pilot
    found = {"scale": pilot.scale.numpy(), "pilot": pilot.distances, "check": _check(run)}
    return manifest, {**found, **tensor_data(given)}


def restore(
    path: Path, manifest: Mapping[str, Any], options: Mapping[str, Any], request: Request
) -> SimulationRun:
    """The run again; raises naming what is not as it was."""
    start, described = read_start(path), manifest["method"]
    model, given = found_again(manifest, start, request)
    method = find_method(described, request.method or _beside(model, described))
    before, asked = manifest["options"]["draws"], options["draws"]
    if asked != before and not method.extends:
        raise OptionError(
            f"draws={asked}: {path} is a run of {method.name} with {before} draws per chain, and "
            "these decide what is simulated: it cannot be made longer. Start a new run with more."
        )
    pilot = Pilot(torch.from_numpy(start["scale"]), start["pilot"])
    run = prepare_simulation(
        model,
        method,
        given,
        SimulationOptions(**options, progress=request.progress),
        labels_from_json(manifest["labels"]),
        pilot,
    )
    warn_of_differences(manifest["machine"], _is_same(run, start["check"]))
    return run


def _check(run: SimulationRun) -> np.ndarray:
    """Distances of a few simulations, which tell one program and its summaries from others."""
    return run.comparison(run.simulator.from_prior(_CHECKED, _CHECK_SEED).data)


def _is_same(run: SimulationRun, then: np.ndarray) -> bool:
    """Whether distances have the bits that they had; raises `ModelError` for another program."""
    now = _check(run)
    if not np.allclose(now, then, rtol=_DIFFERENT, atol=_DIFFERENT):
        at = int(np.argmax(~np.isclose(now, then, rtol=_DIFFERENT, atol=_DIFFERENT)))
        raise ModelError(
            f"Simulations of {run.simulator.program.name!r} are not what they were when the run "
            f"began: at one seed their distance from the data is {now[at]:.6g} now and "
            f"{then[at]:.6g} then. Something that the program, the summaries or the distance read "
            "has changed, or one of these; bring it back, or start a new run."
        )
    return bool((now == then).all())


def _beside(model: Any, described: Mapping[str, Any]) -> Any:
    """The `method` of the module that the program stands in, where only it can be meant."""
    home = sys.modules.get(getattr(model, "__module__", None) or "")
    method = getattr(home, "method", None)
    return method if described["settings"] is None and repr(method) == described["repr"] else None
