"""A run of a program in a store: what the manifest says of it, and making it ready again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from probgen.declare.data import as_tensors
from probgen.errors import ModelError
from probgen.inference.identity import describe_program, find_program_again, source_differs
from probgen.inference.infer_program import PACKAGES, ProgramOptions, ProgramRun, prepare_program
from probgen.inference.provenance import (
    describe_machine,
    describe_method,
    find_method,
    warn_of_differences,
)
from probgen.inference.stored_data import (
    check_same_data,
    plain_data,
    restored_data,
    tensor_data,
)
from probgen.inference.storing import Request
from probgen.results.store.checkpoint import read_start
from probgen.results.tree import Labels

__all__ = ["KEPT", "describe", "found_again", "labels_from_json", "labels_json", "restore"]

_DIFFERENT = {"float64": 1e-8, "float32": 1e-3}  # relative; less is rounding
KEPT = ("keep_warmup", "backend", "precision", "device", "thin")


def describe(
    run: ProgramRun, model: Any, data: Mapping[Any, Any] | None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The manifest of a run, without its format, and the arrays that it starts from."""
    options, density, given = run.options, run.density, run.density.program.data
    plain, missing = plain_data(given)
    counts = {name: getattr(options, name) for name in ("chains", "draws", "warmup", "seed")}
    same = {name: getattr(options, name) for name in KEPT}
    manifest = {
        "model": describe_program(model),
        "method": describe_method(run.method),
        "options": {**counts, **same, "log_likelihood": run.pointwise, "derived": run.derived},
        "labels": labels_json(run.labels),
        "notes": run.notes,
        "data": {"plain": plain, "missing": missing},
        "density": {
            "backend": density.backend,
            "source": hashlib.sha256(density.source.encode()).hexdigest(),
            "at_start": _log_densities(run),
        },
        "machine": describe_machine(PACKAGES),
    }
    return manifest, {**run.start, **tensor_data(given)}


def restore(
    path: Path, manifest: Mapping[str, Any], options: Mapping[str, Any], request: Request
) -> ProgramRun:
    """The run again; raises naming what is not as it was."""
    start, described = read_start(path), manifest["model"]
    method = find_method(manifest["method"], request.method)
    model, given = found_again(manifest, start, request)
    run = prepare_program(
        model,
        method,
        given,
        ProgramOptions(**options, threads=request.threads, progress=request.progress),
        labels_from_json(manifest["labels"]),
        start,
    )
    run.notes = [*manifest["notes"]]
    exactly = _check_density(run, manifest["density"], described["name"])
    warn_of_differences(manifest["machine"], exactly)
    return run


def found_again(
    manifest: Mapping[str, Any], start: Mapping[str, np.ndarray], request: Request
) -> tuple[Any, dict[str, Any]]:
    """The program and data of a run, as stored or as given; raises naming what differs."""
    data, described = manifest["data"], manifest["model"]
    if request.data is None:
        given = restored_data(start, data["plain"], data["missing"])
    else:
        given = as_tensors(request.data)
        check_same_data(given, start, data["plain"], data["missing"])
    model = find_program_again(described) if request.model is None else request.model
    if source_differs(model, described):
        raise ModelError(
            f"The source of the program {described['name']!r} is not what it was when the run "
            f"began: its draws would be of two models. Bring the program back, or start a new run."
        )
    return model, given


def _check_density(run: ProgramRun, described: Mapping[str, Any], name: str) -> bool:
    """Compare log densities at the starting points; returns whether they have the same bits."""
    then, now = np.array(described["at_start"]), np.array(_log_densities(run))
    relative = _DIFFERENT[run.density.precision]
    if then.shape != now.shape or not np.allclose(now, then, rtol=relative, atol=relative):
        at = int(np.argmax(np.abs(now - then))) if then.shape == now.shape else 0
        raise ModelError(
            f"The log density of {name!r} is not what it was when the run began: {now[at]:.6g} "
            f"now and {then[at]:.6g} then, at the start of chain {at}. Something that the program "
            "reads (a global, a parameter, a file) has changed; bring it back, or start a new run."
        )
    same_code = hashlib.sha256(run.density.source.encode()).hexdigest() == described["source"]
    return same_code and run.density.backend == described["backend"] and (then == now).all()


def _log_densities(run: ProgramRun) -> list[float]:
    """Log density (nats) at each chain's starting point: what tells one posterior from another."""
    if not run.density.dim:
        return [float(run.density.value_and_grad(np.zeros(0))[0])]
    return [float(run.density.value_and_grad(point)[0]) for point in run.initial]


def labels_json(labels: Labels) -> dict[str, Any]:
    """Names of dimensions and their labels as JSON, for `labels_from_json`."""
    coords = {}
    for dim, given in labels.coords.items():
        array = np.asarray(given)
        if array.dtype.kind not in "biuf":
            array = array.astype(str) if array.dtype.kind != "M" else array
        values = array.astype(str).tolist() if array.dtype.kind == "M" else array.tolist()
        coords[str(dim)] = {"dtype": array.dtype.str, "values": values}
    return {"dims": {str(n): list(map(str, d)) for n, d in labels.dims.items()}, "coords": coords}


def labels_from_json(described: Mapping[str, Any]) -> Labels:
    """The names of dimensions and their labels that a manifest holds."""
    coords = {
        dim: np.array(each["values"], dtype=each["dtype"])
        for dim, each in described["coords"].items()
    }
    return Labels(described["dims"], coords)
