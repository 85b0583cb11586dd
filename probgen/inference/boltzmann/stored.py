"""A run on a machine in a store, with the machine whole: layers as JSON, parameters as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from probgen.errors import DataError, ModelError, StoreError
from probgen.inference.boltzmann.density_run import DensityRun
from probgen.inference.boltzmann.evidence import read_evidence
from probgen.inference.boltzmann.recognise import is_machine
from probgen.inference.infer_machine import (
    PACKAGES,
    MachineOptions,
    MachineRun,
    name_of,
    prepare_machine,
)
from probgen.inference.provenance import (
    describe_machine,
    describe_method,
    find_method,
    warn_of_differences,
)
from probgen.inference.stored_program import KEPT, labels_from_json, labels_json
from probgen.inference.storing import Request
from probgen.nets.boltzmann.machine import BoltzmannMachine
from probgen.nets.boltzmann.units import Units
from probgen.results.store.checkpoint import read_start

__all__ = ["describe", "restore"]

_PARAMETER, _DATA = "parameter:", "data:"


def describe(
    run: MachineRun | DensityRun, model: Any, data: Mapping[Any, Any] | None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The manifest of a run, without its format, and the arrays that it starts from."""
    machine, evidence = run.layout.machine, run.layout.evidence
    counts = {
        "chains": run.layout.chains,
        "draws": run.planned[False],
        "warmup": run.planned[True],
    }
    begun = run.start if isinstance(run, DensityRun) else {}
    manifest = {
        "model": {
            "name": name_of(machine),
            "layers": [[asdict(units) for units in layer] for layer in machine.layers],
        },
        "method": describe_method(run.method),
        "method_reason": getattr(run, "reason", ""),
        "options": {**counts, "seed": run.options.seed, "hidden": run.layout.hidden},
        "labels": labels_json(run.labels),
        "batched": evidence.batched,
        "density": _of_density(run),
        "machine": describe_machine(PACKAGES),
    }
    given = {_DATA + name: np.array(values) for name, values in evidence.values.items()}
    return manifest, {**_parameters(machine), **given, **begun}


def _of_density(run: MachineRun | DensityRun) -> dict[str, Any]:
    """Options of a run on a density that further draws depend on."""
    if not isinstance(run, DensityRun):
        return {}
    return {name: getattr(run.options, name) for name in KEPT}


def restore(
    path: Path, manifest: Mapping[str, Any], options: Mapping[str, Any], request: Request
) -> MachineRun | DensityRun:
    """The run again; raises naming what is not as it was."""
    start = read_start(path)
    parameters = {n: v for n, v in start.items() if n.startswith(_PARAMETER)}
    data = {n.removeprefix(_DATA): v for n, v in start.items() if n.startswith(_DATA)}
    machine = _restored(manifest["model"], parameters)
    if request.model is not None:
        _check_same_machine(request.model, machine, parameters)
    if request.data is not None:
        _check_same_data(machine, request.data, data)
    if not manifest["batched"]:
        data = {name: values[0] for name, values in data.items()}
    asked = MachineOptions(
        **options,
        threads=request.threads,
        progress=request.progress,
        of_density=manifest["density"],
    )
    method = find_method(manifest["method"], request.method)
    warn_of_differences(manifest["machine"])
    labels = labels_from_json(manifest["labels"])
    run = prepare_machine(machine, method, data, asked, labels, start)
    if isinstance(run, MachineRun):
        run.reason = manifest["method_reason"]
    return run


def _parameters(machine: BoltzmannMachine) -> dict[str, np.ndarray]:
    """By the names they have in a store."""
    state = machine.state_dict()
    return {_PARAMETER + name: value.cpu().numpy() for name, value in state.items()}


def _restored(described: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> BoltzmannMachine:
    """The machine of a store; of a class of its own only the layers and parameters count."""
    try:
        layers = [[Units(**units) for units in layer] for layer in described["layers"]]
        machine = BoltzmannMachine(layers)
        machine.title = described["name"]
        kind = arrays[f"{_PARAMETER}biases.0"].dtype
        machine = machine.to(torch.from_numpy(np.zeros(0, kind)).dtype)
        machine.load_state_dict(
            {n.removeprefix(_PARAMETER): torch.from_numpy(np.array(v)) for n, v in arrays.items()}
        )
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise StoreError(f"The machine in the store is damaged ({error}).") from error
    return machine


def _check_same_machine(
    model: Any, stored: BoltzmannMachine, parameters: Mapping[str, np.ndarray]
) -> None:
    if not is_machine(model):
        raise ModelError("The run in the store is of a Boltzmann machine, and the model is none.")
    if model.layers != stored.layers:
        raise ModelError(
            f"The machine differs from that of the store in its layers: {model} now, {stored} "
            "then. Go on with the machine of the run."
        )
    now = _parameters(model)
    for name, then in parameters.items():
        if not np.array_equal(now[name], then):
            raise ModelError(
                f"The machine differs from that of the store: {name.removeprefix(_PARAMETER)} "
                "has changed, by training for instance. Leave the model out: the store holds it."
            )


def _check_same_data(
    machine: BoltzmannMachine, given: Mapping[Any, Any], then: Mapping[str, np.ndarray]
) -> None:
    now = read_evidence(machine, given).values
    for name in sorted({*now, *then}):
        if name not in now or name not in then or not _same(now[name], then[name]):
            raise DataError(
                f"data[{name!r}] differs from that of the store. Go on with the data of the run, "
                "or start a new one."
            )


def _same(first: np.ndarray, second: np.ndarray) -> bool:
    return first.shape == second.shape and np.array_equal(first, second, equal_nan=True)
