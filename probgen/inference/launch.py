"""Where a prepared run goes: to memory or to a store, in the foreground or on a thread."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from probgen.inference.background import Background
from probgen.inference.prepared import PreparedRun
from probgen.inference.provenance import describe_machine
from probgen.inference.recorder import Recorder
from probgen.inference.resume import continuation
from probgen.inference.storing import Request, Storage, open_for
from probgen.results.store.checkpoint import FORMAT
from probgen.results.store.reading import open_store
from probgen.results.store.store import Store

__all__ = ["finished", "launch", "resume_run", "store_result"]


def launch(
    run: PreparedRun,
    model: Any,
    data: Mapping[Any, Any] | None,
    storage: Storage | None,
    background: bool,
) -> xr.DataTree | Background:
    """Sample; the tree, or with `background` a handle on the run.

    A run in the background without a store keeps its draws in a temporary one until it is over.
    """
    if not background:
        if storage is None:
            return run.sample()
        return _sample(run, open_for(run, storage, model, data))
    if storage is not None:
        return _in_background(run, open_for(run, storage, model, data), None)
    folder = Path(tempfile.mkdtemp(prefix="probgen-run-"))
    try:
        recorder = open_for(run, Storage(folder / "run.zarr"), model, data)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return _in_background(run, recorder, folder)


def resume_run(
    path: str | os.PathLike[str], request: Request, background: bool
) -> xr.DataTree | Background:
    """Go on with a stored run; see `probgen.resume`."""
    found = continuation(Path(path).expanduser().absolute(), request)
    if found.run is None or found.recorder is None:
        tree = found.tree()
        return finished(tree, found.path) if background else tree
    if background:
        return _in_background(found.run, found.recorder, None)
    return _sample(found.run, found.recorder)


def store_result(tree: xr.DataTree, storage: Storage) -> xr.DataTree:
    """Write a result that was made at once, such as an exact one; returns it as stored."""
    draws = int(tree["posterior"].sizes.get("draw", 0)) if "posterior" in tree.children else 0
    manifest = {
        "format": FORMAT,
        "kind": "result",
        "options": {"draws": draws},
        "machine": describe_machine(()),
    }
    with Store.create(os.fspath(storage.path), manifest, {}, storage.overwrite) as store:
        store.append({name: c.to_dataset() for name, c in tree.children.items()}, draws)
        store.commit({str(key): value for key, value in tree.attrs.items()}, None, True)
        return open_store(store.path)


def _sample(run: PreparedRun, recorder: Recorder) -> xr.DataTree:
    with recorder:
        return run.sample(recorder)


def _in_background(run: PreparedRun, recorder: Recorder, folder: Path | None) -> Background:
    def sample(watch: Callable[[Any], None]) -> xr.DataTree:
        with recorder:
            return run.sample(recorder, watch)

    def close() -> None:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    return Background(run.title, sample, recorder.store.path, folder is None, close)


def finished(tree: xr.DataTree, path: Path | None = None) -> Background:
    """The handle on a run that is over."""
    return Background(
        "finished run", lambda _: tree, path or Path(), path is not None, lambda: None
    )
