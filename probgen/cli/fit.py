"""`probgen fit`: learn a program or a network from data, save it, say how learning went."""

from typing import Annotated

import typer

from probgen.cli.arguments import chosen_method, writable
from probgen.cli.fitdata import training_data
from probgen.cli.fitreport import told
from probgen.cli.options import OUTPUT, Overwrite, Quiet, Traceback
from probgen.cli.terminal import console, reported
from probgen.errors import OptionError

TRAINING = "Training of programs"
METHODS = {
    "cd": "CD",
    "pcd": "PCD",
    "exact-gradient": "ExactGradient",
    "greedy": "GreedyLayers",
    "up-down": "UpDown",
    "fine-tune": "FineTune",
    "maximum-likelihood": "MaximumLikelihood",
    "bayesian-estimate": "BayesianEstimate",
    "em": "EM",
    "gradient-mle": "GradientMLE",
    "pseudo-likelihood": "PseudoLikelihood",
    "hill-climb": "HillClimb",
    "ges": "GES",
    "pc": "PC",
    "structure-mcmc": "StructureMCMC",
}
WEIGHTS, NETWORKS, PAGES = (".safetensors",), (".bif", ".uai"), (".html", ".htm")


@reported
def fit(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Zoo name, file.py, file.py:name, a network (file.bif, alarm ...), or `none` to "
            "learn a structure.",
        ),
    ],
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            "-d",
            metavar="FILE|NAME=FILE",
            help="Data instead of the model's own (.npy, .npz, .csv, .json, .nc), or those of one "
            "argument. Repeatable.",
            show_default=False,
        ),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help=f"{', '.join(METHODS)}.", show_default="the model's"),
    ] = None,
    method_option: Annotated[
        list[str] | None,
        typer.Option(
            "--method-option",
            "--set",
            metavar="NAME=VALUE",
            help="Option of the method, like learning_rate=0.01. Repeatable.",
            show_default=False,
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            help="Times through the data.", show_default="the method's", rich_help_panel=TRAINING
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            help="Rows of a step.", show_default="the method's", rich_help_panel=TRAINING
        ),
    ] = None,
    validation: Annotated[
        float | None,
        typer.Option(
            help="Fraction of the rows to hold out.", show_default="none", rich_help_panel=TRAINING
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            help="Epochs without improvement until training stops.",
            show_default="never",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    ema: Annotated[
        float | None,
        typer.Option(
            help="Decay of averaged weights, like 0.999.",
            show_default="none",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    clip: Annotated[
        float | None,
        typer.Option(
            help="Largest norm of a gradient.", show_default="any", rich_help_panel=TRAINING
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda.", show_default="cpu", rich_help_panel=TRAINING)
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option(
            help="Processes that share the rows.", show_default="1", rich_help_panel=TRAINING
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="32, 64, bf16 or bf16-mixed.",
            show_default="the model's",
            rich_help_panel=TRAINING,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Same seed, same weights.", show_default=False, rich_help_panel=TRAINING
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Directory for checkpoints; goes on with `probgen resume PATH --model MODEL`.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    overwrite: Overwrite = False,
    save: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Write what was learned (.safetensors; .bif or .uai for a network).",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.html",
            help="Write a page of what a program learned: curves, and of Boltzmann machines the "
            "likelihood, filters, draws and inpainting.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    quiet: Quiet = False,
    traceback: Traceback = False,
) -> None:
    """Learn MODEL from data; print how it went, and save it."""
    import probgen as pg
    from probgen.inference.fit import learns_program

    loaded = None if model == "none" else pg.load_model(model)
    program = loaded is not None and learns_program(loaded)
    saved = writable(save, "--save", WEIGHTS if program else NETWORKS)
    page = writable(output, "--output", PAGES)
    if page is not None and not program:
        raise OptionError("--output: the page is of programs, and this is a network.")
    table = training_data(data, program)
    given = {
        "epochs": epochs,
        "batch_size": batch_size,
        "validation": validation,
        "patience": patience,
        "ema": ema,
        "clip": clip,
        "device": device,
        "devices": devices,
        "precision": precision,
        "store": store,
        "overwrite": overwrite or None,
        "seed": seed,
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
    if page is not None:
        pg.report(fitted, page, data=table, validation=validation)
        if not quiet:
            console().print(f"Report: {page}", markup=False, soft_wrap=True)
    raise typer.Exit(code)


def go_on_training(store: str, model: str | None, data: list[str] | None, quiet: bool) -> int:
    """Go on with a stored training; returns the exit code."""
    import probgen as pg

    loaded = None if model is None else pg.load_model(model)
    fitted = pg.resume(store, loaded, data=training_data(data, True), progress=not quiet)
    return told(fitted, None, quiet, store, str(model))
