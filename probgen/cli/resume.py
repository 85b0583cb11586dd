"""`probgen resume`: go on with a stored run or training, and say whether it can be trusted."""

from typing import Annotated

import typer

from probgen.cli.arguments import chosen_method, given_data, writable
from probgen.cli.fit import go_on_training
from probgen.cli.fitoptions import TRAINING, Page
from probgen.cli.options import (
    Data,
    MethodName,
    MethodOptions,
    Picture,
    Quiet,
    Threads,
    Traceback,
)
from probgen.cli.run import PICTURE_ENDINGS, report, was_interrupted
from probgen.cli.terminal import INTERRUPTED, console, reported
from probgen.errors import OptionError


@reported
def resume(
    store: Annotated[
        str, typer.Argument(metavar="PATH", help="Store (run --store, fit --store).")
    ],
    draws: Annotated[
        int | None,
        typer.Option(help="Draws per chain in all.", show_default="as many as were asked for"),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="The model of the run, where it is not found by itself, or to be sure of it.",
            show_default="what the store names; its file is run",
        ),
    ] = None,
    data: Data = None,
    method: MethodName = None,
    method_option: MethodOptions = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Of a training: epochs in all.",
            show_default="as many as were asked for",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    threads: Threads = None,
    picture: Picture = None,
    output: Page = None,
    quiet: Quiet = False,
    traceback: Traceback = False,
) -> None:
    """Go on with a stored run or training, to the same bits as if it had never stopped."""
    import probgen as pg
    from probgen.api import resume as go_on
    from probgen.learn.training.store import is_training_store

    picture_path = writable(picture, "--picture", PICTURE_ENDINGS)
    if is_training_store(store):
        for name, value in (("--draws", draws), ("--threads", threads), ("--picture", picture)):
            if value is not None:
                raise OptionError(f"{name} is an option of runs, and {store} is a training.")
        raise typer.Exit(
            go_on_training(store, model, data, method, method_option, epochs, output, quiet)
        )
    for name, value in (("--epochs", epochs), ("--output", output)):
        if value is not None:
            raise OptionError(f"{name} is an option of trainings, and {store} is a run.")
    if data and model is None:
        raise OptionError("--data: name the model that takes them too, with --model.")
    loaded = None if model is None else pg.load_model(model)
    given = given_data(loaded, data) if loaded is not None and data else None
    try:
        tree = go_on(
            store,
            None if loaded is None else loaded.program,
            data=given,
            method=chosen_method(None, method, method_option or (), usual=None),
            draws=draws,
            threads=threads,
            progress=not quiet,
        )
    except KeyboardInterrupt:
        console(errors=True).print(f"Interrupted. Go on with: probgen resume {store}")
        raise typer.Exit(INTERRUPTED) from None
    code = report(tree, None, picture_path, quiet)
    raise typer.Exit(INTERRUPTED if was_interrupted(tree) else code)
