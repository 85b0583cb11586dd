"""The fields of single chains, and the `KernelState` that they make together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

import numpy as np

from probgen.errors import OptionError
from probgen.inference.method import Plan
from probgen.results.store.state import KernelState

__all__ = [
    "Fields",
    "arrays_of",
    "check_fields",
    "check_state",
    "fields_of",
    "refuse",
    "seconds_of",
    "state_of",
]

Fields = dict[str, np.ndarray]
"""Of one chain: `position`, `rng`, totals named `counters/...`, and all else by name."""

_COUNTERS = "counters/"
_SECONDS = "seconds"
"""Wall time of the run so far, among the counters."""
_AUXILIARY = "auxiliary"
"""Coordinates that a sampler has added to the model's."""


def state_of(iteration: int, chains: Sequence[Fields], dim: int, seconds: float) -> KernelState:
    """All chains after `iteration` transitions and `seconds` of wall time, breaks apart."""
    stacked = {name: np.stack([chain[name] for chain in chains]) for name in chains[0]}
    position, rng = stacked.pop("position"), stacked.pop("rng")
    if position.shape[1] > dim:
        stacked[_AUXILIARY] = position[:, dim:].copy()
    counted = [name for name in stacked if name.startswith(_COUNTERS)]
    counters = {name.removeprefix(_COUNTERS): stacked.pop(name) for name in counted}
    counters[_SECONDS] = np.full(len(chains), seconds)
    return KernelState(iteration, position[:, :dim].copy(), rng, stacked, counters)


def seconds_of(state: KernelState) -> float:
    """Wall time of the run up to `state`."""
    return float(np.max(state.counters.get(_SECONDS, 0.0)))


def fields_of(state: KernelState, chain: int) -> Fields:
    """One chain's part of `state`; raises `OptionError` when an array lacks its row."""
    named: dict[str, np.ndarray] = {
        **arrays_of(state),
        **{_COUNTERS + name: value for name, value in state.counters.items()},
    }
    del named[_COUNTERS + _SECONDS]
    chains = len(state.position)
    for name, value in named.items():
        if np.ndim(value) < 1 or len(value) != chains:
            refuse(name, f"it has shape {np.shape(value)}, a row for each chain is needed")
    fields = {name: np.asarray(value[chain]) for name, value in named.items()}
    if _AUXILIARY in fields:
        fields["position"] = np.concatenate([fields["position"], fields.pop(_AUXILIARY)])
    return fields


def arrays_of(state: KernelState) -> dict[str, np.ndarray]:
    """All of it but the totals, by name."""
    return {"position": state.position, "rng": state.rng, **state.adaptation}


def check_state(plan: Plan, dim: int) -> None:
    """Raise `OptionError` when `plan.state` cannot belong to this plan."""
    state = plan.state
    if state is None:
        return
    total = plan.warmup + plan.draws * plan.thin
    if np.shape(state.position) != (plan.chains, dim):
        refuse(
            "position",
            f"it has shape {np.shape(state.position)}, (chains, dim) = {(plan.chains, dim)} is "
            "needed",
        )
    if not 0 < state.iteration <= total:
        refuse(
            "iteration",
            f"it stands after {state.iteration} transitions, and this run has {total} of them",
        )
    if _SECONDS not in state.counters:
        refuse(_SECONDS, "it is missing")


def check_fields(wanted: Mapping[str, tuple[np.dtype, tuple[int, ...]]], given: Fields) -> None:
    """Raise `OptionError` unless `given` has the names, types and shapes of `wanted`."""
    for name in sorted(wanted.keys() ^ given.keys()):
        refuse(name, "it is missing" if name in wanted else "it does not belong there")
    for name, (dtype, shape) in wanted.items():
        if given[name].dtype != dtype or given[name].shape != shape:
            found = f"{given[name].dtype} {given[name].shape}"
            refuse(name, f"it is {found} for each chain, {dtype} {shape} is needed")


def refuse(name: str, why: str) -> NoReturn:
    """Raise the `OptionError` for an array of a state that does not fit or is damaged."""
    raise OptionError(
        f"state: {name!r} does not fit: {why}. Go on from the state of a run with the same "
        "model, method, engine, chains and warm-up, or start anew."
    )
