"""Opening a store for a run; what is asked of one that goes on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from probgen.errors import OptionError
from probgen.inference.prepared import PreparedRun
from probgen.inference.recorder import Recorder
from probgen.results.store.checkpoint import FORMAT
from probgen.results.store.state import KernelState
from probgen.results.store.store import Store

__all__ = ["Request", "Storage", "module_of", "open_for", "recorder_of"]


@dataclass(frozen=True)
class Storage:
    """Where a run is to be stored, and whether a store that is there may be replaced."""

    path: str | os.PathLike[str]
    overwrite: bool = False

    def __post_init__(self) -> None:
        """Raises `OptionError` for what is no path."""
        if not isinstance(self.path, (str, os.PathLike)):
            raise OptionError(f"store={self.path!r}: it must be a path, such as 'run.zarr'.")


@dataclass(frozen=True)
class Request:
    """What `resume` was asked for; see there."""

    model: Any = None
    data: Mapping[Any, Any] | None = None
    method: Any = None
    draws: int | None = None
    threads: int | None = None
    progress: bool = True


def module_of(kind: str) -> ModuleType:
    """What describes and restores runs of a kind; only what that kind needs is imported."""
    if kind == "network":
        from probgen.inference import stored_network

        return stored_network
    if kind == "machine":
        from probgen.inference.boltzmann import stored

        return stored
    if kind == "simulation":
        from probgen.inference.likelihood_free import stored as stored_simulation

        return stored_simulation
    from probgen.inference import stored_program

    return stored_program


def open_for(
    run: PreparedRun, storage: Storage, model: Any, data: Mapping[Any, Any] | None
) -> Recorder:
    """A new store for a run that is about to begin; raises `StoreError` as `Store.create`."""
    described, start = module_of(run.kind).describe(run, model, data)
    manifest = {"format": FORMAT, "kind": run.kind, **described}
    store = Store.create(os.fspath(storage.path), manifest, start, storage.overwrite)
    return recorder_of(run, store, None)


def recorder_of(run: PreparedRun, store: Store, state: KernelState | None) -> Recorder:
    """What keeps the draws of a run in an open store that stands at `state`."""
    return Recorder(
        store,
        run.groups_of,
        run.values_of,
        run.constants(),
        run.attributes,
        run.planned,
        run.draw_bytes,
        state,
    )
