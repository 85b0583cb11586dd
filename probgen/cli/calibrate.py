"""`probgen calibrate` and `probgen conform`: is a method right, on a model and in general?"""

from typing import Annotated, Any

import typer

from probgen.cli.arguments import chosen_method, defined_in, given_data, writable
from probgen.cli.options import (
    OUTPUT,
    Chains,
    Data,
    DrawCount,
    Jobs,
    MethodName,
    MethodOptions,
    Model,
    Output,
    Quiet,
    Seed,
    Traceback,
    Warmup,
)
from probgen.cli.terminal import NOT_TRUSTWORTHY, console, reported

PICTURE_ENDINGS = (".png", ".pdf", ".svg", ".jpg", ".webp")
TREE_ENDINGS = (".nc",)


@reported
def calibrate(
    model: Model,
    data: Data = None,
    observed: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Site or variable to draw and observe; those that the data observe when left "
            "out. Repeatable.",
            show_default=False,
        ),
    ] = None,
    method: MethodName = None,
    method_option: MethodOptions = None,
    replications: Annotated[int, typer.Option(help="How many inferences to make.")] = 200,
    posterior: Annotated[
        bool, typer.Option("--posterior", help="Draw the truths from the posterior.")
    ] = False,
    chains: Chains = None,
    draws: DrawCount = None,
    warmup: Warmup = None,
    seed: Seed = None,
    jobs: Jobs = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Keep finished inferences here; a killed study goes on from there.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    output: Output = None,
    picture: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.png", help="Write a picture of the ranks.", show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    quiet: Quiet = False,
    traceback: Traceback = False,
) -> None:  # fmt: skip
    """Whether a method is calibrated on MODEL: simulated data, ranks. Exit code 3 if not."""
    from probgen.declare.modelfile import load_model
    from probgen.studies.calibrate import calibrate as run_calibration

    tree_path = writable(output, "--output", TREE_ENDINGS)
    picture_path = writable(picture, "--picture", PICTURE_ENDINGS)
    loaded = load_model(model)
    study = run_calibration(
        loaded.program,
        chosen_method(loaded.method, method, method_option or ()),
        data=given_data(loaded, data),
        observed=observed or None,
        replications=replications,
        posterior=posterior,
        chains=chains,
        draws=draws,
        warmup=warmup,
        seed=seed,
        jobs=jobs,
        store=store,
        progress=not quiet,
    )
    if tree_path is not None:
        study.save(tree_path)
    if picture_path is not None:
        study.plot(picture_path)
    out = console()
    if quiet:
        out.print(study.verdict.headline, markup=False)
    else:
        out.print(study)
    raise typer.Exit(0 if study.passed else NOT_TRUSTWORTHY)


@reported
def conform(
    method: Annotated[
        str,
        typer.Argument(
            metavar="METHOD", help="A method's name (see `probgen run --help`), or file.py:name."
        ),
    ],
    method_option: MethodOptions = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="More draws and targets: some minutes.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Same seed, same outcomes.")] = 1,
    quiet: Quiet = False,
    traceback: Traceback = False,
) -> None:
    """Run a method through the conformance ladder. Exit code 3 if it falls."""
    from probgen.studies.conform import conform as climb

    found = climb(
        method_named(method, method_option), quick=not whole, seed=seed, progress=not quiet
    )
    out = console()
    if quiet:
        out.print(found.headline, markup=False)
    else:
        out.print(found)
    raise typer.Exit(0 if found.passed else NOT_TRUSTWORTHY)


def method_named(text: str, pairs: list[str] | None) -> Any:
    """A method by its name, or by the name of a value or class in a Python file."""
    path, _, name = text.rpartition(":")
    if not path.endswith(".py"):
        return chosen_method(None, text, pairs or ())
    found = defined_in(path, name)
    return chosen_method(found() if isinstance(found, type) else found, None, pairs or ())
