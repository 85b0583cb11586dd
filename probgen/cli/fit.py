"""`probgen fit`: learn a program or a network from data, save it, say how learning went."""

from typing import Any

import typer

from probgen.cli.arguments import chosen_method, writable
from probgen.cli.fitdata import training_data
from probgen.cli.fitoptions import (
    METHODS,
    BatchSize,
    CheckpointSeconds,
    CheckpointSteps,
    Clip,
    Device,
    Devices,
    Ema,
    Epochs,
    Learned,
    Learner,
    LearnerOptions,
    Page,
    Patience,
    Save,
    TrainingData,
    TrainingPrecision,
    TrainingSeed,
    TrainingStorePath,
    TrainingThreads,
    Validation,
    Watched,
    WatchEvery,
    WatchSamples,
)
from probgen.cli.fitreport import paged, told
from probgen.cli.options import Overwrite, Quiet, Traceback
from probgen.cli.terminal import reported
from probgen.errors import OptionError

WEIGHTS, NETWORKS, PAGES = (".safetensors",), (".bif", ".uai"), (".html", ".htm")


@reported
def fit(
    model: Learned,
    data: TrainingData = None,
    method: Learner = None,
    method_option: LearnerOptions = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    validation: Validation = None,
    patience: Patience = None,
    ema: Ema = None,
    clip: Clip = None,
    device: Device = None,
    devices: Devices = None,
    threads: TrainingThreads = None,
    precision: TrainingPrecision = None,
    watch: Watched = None,
    watch_every: WatchEvery = None,
    watch_samples: WatchSamples = None,
    seed: TrainingSeed = None,
    store: TrainingStorePath = None,
    checkpoint_seconds: CheckpointSeconds = None,
    checkpoint_steps: CheckpointSteps = None,
    overwrite: Overwrite = False,
    save: Save = None,
    output: Page = None,
    quiet: Quiet = False,
    traceback: Traceback = False,
) -> None:
    """Learn MODEL from data; print how it went, and save it."""
    import torch

    import probgen as pg
    from probgen.inference.arguments import seed_of
    from probgen.inference.fit import learns_program

    start = seed_of(seed)
    torch.manual_seed(start % (1 << 63))  # a class of a file is made while it is loaded
    loaded = None if model == "none" else pg.load_model(model)
    program = loaded is not None and learns_program(loaded)
    saved = writable(save, "--save", WEIGHTS if program else NETWORKS)
    page = writable(output, "--output", PAGES)
    if page is not None and not program:
        raise OptionError("--output: the page is of programs, and this is a network.")
    _check_stored(store, checkpoint_seconds=checkpoint_seconds, checkpoint_steps=checkpoint_steps)
    table = training_data(data, program, loaded)
    given = {
        "epochs": epochs,
        "batch_size": batch_size,
        "validation": validation,
        "patience": patience,
        "ema": ema,
        "clip": clip,
        "device": device,
        "devices": devices,
        "threads": threads,
        "precision": precision,
        "watch": watch_of(watch, watch_every, watch_samples),
        "store": store,
        "checkpoint_seconds": checkpoint_seconds,
        "checkpoint_steps": checkpoint_steps,
        "overwrite": overwrite or None,
        "seed": start if program else seed,
    }
    own = None if loaded is None else loaded.method
    fitted = pg.fit(
        loaded if program or loaded is None else loaded.program,
        chosen_method(own, method, method_option or (), METHODS, None),
        data=table,
        progress=not quiet,
        **{name: value for name, value in given.items() if value is not None},
    )
    code = told(fitted, saved, quiet, store, model)
    paged(fitted, page, table, validation, quiet)
    raise typer.Exit(code)


def _check_stored(store: str | None, **given: Any) -> None:
    """Raise `OptionError` for options of checkpoints where none are written."""
    for name, value in given.items():
        if value is not None and store is None:
            raise OptionError(
                f"--{name.replace('_', '-')}: checkpoints are written to --store PATH; name it."
            )


def watch_of(watch: bool | None, every: float | None, samples: int | None) -> Any:
    """The option `watch` of `fit`; its numbers ask for it, too. Raises `OptionError`."""
    chosen = {"every": every, "samples": samples}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    if not chosen:
        return watch
    if watch is False:
        raise OptionError("--no-watch: leave --watch-every and --watch-samples out.")
    from probgen.learn.training.watch import Watch

    return Watch(**chosen)  # type: ignore[arg-type]


def go_on_training(
    store: str,
    model: str | None,
    data: list[str] | None,
    method: str | None,
    method_option: list[str] | None,
    epochs: int | None,
    output: str | None,
    quiet: bool,
) -> int:
    """Go on with a stored training; returns the exit code.

    The method is that of the store; one that holds what no store can, such as a guide of a file,
    is given again.
    """
    import probgen as pg
    from probgen.learn.training.store import TrainingStore

    page = writable(output, "--output", PAGES)
    loaded = None if model is None else pg.load_model(model)
    table: Any = training_data(data, True, loaded)
    again = None
    if method is not None or method_option:
        own = None if loaded is None else loaded.method
        again = chosen_method(own, method, method_option or (), METHODS, None)
    fitted = pg.resume(store, loaded, data=table, method=again, epochs=epochs, progress=not quiet)
    code = told(fitted, None, quiet, store, str(model))
    kept = TrainingStore.read_manifest(store)["validation"]
    paged(fitted, page, table, kept if isinstance(kept, float) else None, quiet)
    return code
