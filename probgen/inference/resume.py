"""Going on with a stored run: the same draws, bit for bit, as if it had never stopped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from probgen.errors import OptionError
from probgen.inference.prepared import PreparedRun
from probgen.inference.recorder import Recorder
from probgen.inference.storing import Request, module_of, recorder_of
from probgen.results.store.checkpoint import read_manifest
from probgen.results.store.reading import open_store
from probgen.results.store.store import Store

__all__ = ["Continuation", "continuation"]


@dataclass(frozen=True)
class Continuation:
    """A stored run that is ready to go on; `run` and `recorder` are None when it is finished."""

    path: Path
    run: PreparedRun | None = None
    recorder: Recorder | None = None

    def tree(self) -> xr.DataTree:
        """What is stored, opened lazily."""
        return open_store(self.path)


def continuation(path: Path, request: Request) -> Continuation:
    """Open a store, check that model, data and method are those of the run, and get it ready.

    Raises `StoreError` for a store that is damaged, in use or no store; `ModelError`,
    `DataError` or `OptionError` naming what is not as it was.
    """
    manifest = read_manifest(path)
    before = int(manifest["options"]["draws"])
    asked = before if request.draws is None else request.draws
    if asked < before:
        raise OptionError(
            f"draws={asked}: {path} is a run of {before} draws per chain; ask for as many or more."
        )
    if manifest["kind"] == "result":
        if asked != before:
            raise OptionError(
                f"draws={asked}: {path} holds exact draws that were made at once; ask infer for "
                "more of them."
            )
        return Continuation(path)
    store, checkpoint = Store.reopen(path)
    try:
        if checkpoint.finished and asked == before:
            store.close()
            return Continuation(path)
        options = {**manifest["options"], "draws": asked}
        run = module_of(manifest["kind"]).restore(path, manifest, options, request)
        if asked != before:
            store.write_manifest({**manifest, "options": options})
        if checkpoint.state is None and checkpoint.lengths:
            store.start_again()  # a method without a state makes all its draws anew
        return Continuation(path, run, recorder_of(run, store, checkpoint.state))
    except BaseException:
        store.close()
        raise
