"""Fitting a program to data: model, method, data and options to a training, and what comes of it.

The caller's module is left as it is: a copy is trained.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from probgen.errors import DataError, OptionError, StoreError, TrainingError
from probgen.learn.program_fit import ProgramFit, check_weights
from probgen.learn.training.checkpoint import put_state
from probgen.learn.training.generators import put_back
from probgen.learn.training.options import TrainingOptions
from probgen.learn.training.outcome import outcome
from probgen.learn.training.place import place_of
from probgen.learn.training.prepare import prepare
from probgen.learn.training.store import TrainingStore
from probgen.learn.training.train import Training
from probgen.learn.training.values import describe_value, made_again
from probgen.learn.training.watch import read_watch

__all__ = ["fit_program", "resume_program"]

Show = Callable[[int, int, str], None]
_DIGEST_ROWS = 64
_VALUES = ("clip", "watch")
"""Options that are values with settings of their own."""


def fit_program(
    model: nn.Module,
    method: Any,
    data: Any,
    *,
    validation: Any = None,
    store: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    show: Show = lambda done, total, detail: None,
    **options: Any,
) -> ProgramFit:
    """Learn the parameters of a module; see `probgen.fit`.

    `options` are the fields of `TrainingOptions`, None for the method's defaults. Raises
    `DataError`, `ModelError`, `OptionError`, `StoreError`, `TrainingError`.
    """
    with put_back():
        prepared = prepare(model, method, data, validation, options)
        if store is None:
            return _run(prepared, method, None, show)
        share = validation if isinstance(validation, float) else None
        manifest = {
            "kind": "training",
            "method": describe_value(method),
            "options": {
                name: describe_value(value) if name in _VALUES else value
                for name, value in vars(prepared.options).items()
            },
            "validation": share if validation is None or share else "data",
            "model": type(model).__name__,
            "data": _digest(prepared),
        }
        with TrainingStore.create(store, prepared.loop.place, manifest, overwrite) as opened:
            return _run(prepared, method, opened, show)


def resume_program(
    path: str | os.PathLike[str],
    model: nn.Module,
    data: Any,
    *,
    method: Any = None,
    validation: Any = None,
    epochs: int | None = None,
    watch: Any = None,
    show: Show = lambda done, total, detail: None,
) -> ProgramFit:
    """Go on with a stored training, to the same bits as if it had never stopped.

    Model, data, and validation data are given again. Of a finished training: what it came to,
    unless there are more `epochs` in all than before; schedules over the whole training then
    stand for the longer one from where it goes on.

    Raises `StoreError`, and `ModelError`, `DataError`, `OptionError` where something is not as it
    was.
    """
    with put_back():
        manifest = TrainingStore.read_manifest(path)
        method = made_again(manifest["method"], method)
        kept = dict(manifest["options"])
        kept["clip"] = made_again(kept["clip"]) if kept["clip"]["value"] else None
        kept["watch"] = _watch_again(kept.get("watch"), watch)
        longer = _more_epochs(path, kept["epochs"], epochs)
        kept["epochs"] += longer
        validation = _validation_again(manifest["validation"], validation)
        opened = TrainingStore.reopen(path, place_of(TrainingOptions(**kept)))
        with opened:
            own, shared, finished = opened.read()
            check_weights(model, shared["weights"][""], str(opened.path))
            prepared = prepare(model, method, data, validation, kept)
            if _digest(prepared) != manifest["data"]:
                raise DataError(
                    f"The data are not those that {opened.path} was begun with (their number, "
                    "shape, type or values differ): going on would be another training."
                )
            try:
                put_state(prepared, own, shared)
            except (KeyError, ValueError, RuntimeError, TypeError) as error:
                raise StoreError(
                    f"The checkpoint in {opened.path} does not fit the learner of {method!r}: "
                    f"{str(error).splitlines()[0]}"
                ) from error
            if finished and not _goes_on(prepared, longer):
                return outcome(prepared, method)
            if longer:
                opened.lengthen(kept["epochs"])
            return _run(prepared, method, opened, show)


def _more_epochs(path: Any, before: int, asked: int | None) -> int:
    """How many epochs more are asked for than before."""
    if asked is None:
        return 0
    if asked < before:
        raise OptionError(
            f"epochs={asked}: {path} is a training of {before} epochs; ask for as many or more."
        )
    return asked - before


def _goes_on(training: Training, longer: int) -> bool:
    """Whether a training that had come to its end has epochs left, now that it may have more."""
    if training.stopped == "patience":
        if longer:
            raise OptionError(
                "epochs: patience had stopped the training, and its weights are those of the best "
                "epoch. Fit anew with more patience."
            )
        return False
    if training.loop.clock >= training.loop.total:
        return False
    training.stopped = ""
    return True


def _watch_again(kept: dict[str, Any] | None, given: Any) -> Any:
    """The watch of a stored training; False where there was none, so that none is chosen."""
    if kept is None or kept["repr"] == repr(None):
        if given:
            raise OptionError(
                f"watch={given!r}: the training was begun without; a look cannot be added."
            )
        return False
    return made_again(kept, read_watch(given), "watch")


def _validation_again(kept: Any, given: Any) -> Any:
    """The validation of a stored training: its fraction, or the data given again."""
    if kept != "data":
        return kept
    if given is None:
        raise OptionError(
            "The training has validation data: give them again, resume(..., validation=...)."
        )
    return given


def _run(training: Training, method: Any, store: TrainingStore | None, show: Show) -> ProgramFit:
    training.show = show if training.loop.rank == 0 else training.show
    try:
        training.run(store)
    except TrainingError as error:
        error.fit = outcome(training, method)
        raise
    return outcome(training, method)


def _digest(training: Training) -> str:
    """A checksum of the data's number, shapes, types and some rows."""
    rows = training.loader.rows
    count = min(len(rows), _DIGEST_ROWS)
    digest = hashlib.sha256(f"{len(rows)}".encode())
    for name, value in sorted(rows.raw(torch.arange(count) * len(rows) // count).items()):
        digest.update(f"{name}:{value.dtype}{tuple(value.shape[1:])}".encode())
        digest.update(value.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
