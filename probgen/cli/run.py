"""`probgen run`: sample a posterior, save it, say whether it can be trusted."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from probgen.cli.arguments import chosen_method, model_data, writable
from probgen.cli.terminal import (
    INTERRUPTED,
    NOT_TRUSTWORTHY,
    DataFile,
    Model,
    Traceback,
    Values,
    console,
    reported,
)

TREE_ENDINGS = (".nc",)
PICTURE_ENDINGS = (".png", ".pdf", ".svg", ".jpg", ".webp")
SAMPLING = "Sampling"
OUTPUT = "Output"


@reported
def run(
    model: Model,
    data: DataFile = None,
    values: Values = None,
    method: Annotated[
        str | None,
        typer.Option(help="nuts or hmc.", show_default="the model's, else chosen"),
    ] = None,
    method_option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Option of the method, like target_accept=0.9. Repeatable.",
            show_default=False,
        ),
    ] = None,
    chains: Annotated[
        int | None, typer.Option(help="Chains.", show_default="4", rich_help_panel=SAMPLING)
    ] = None,
    draws: Annotated[
        int | None,
        typer.Option(help="Draws per chain.", show_default="1000", rich_help_panel=SAMPLING),
    ] = None,
    warmup: Annotated[
        int | None,
        typer.Option(
            help="Warm-up draws per chain.", show_default="1000", rich_help_panel=SAMPLING
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(help="Same seed, same draws.", show_default=False, rich_help_panel=SAMPLING),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            help="Chains run at once.", show_default="all cores", rich_help_panel=SAMPLING
        ),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            help="Where chains start: uniform or prior.",
            show_default="uniform",
            rich_help_panel=SAMPLING,
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.nc",
            help="Write all draws and statistics (NetCDF, for ArviZ).",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    picture: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.png",
            help="Write a picture of the posterior.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", help="One line only.", rich_help_panel=OUTPUT),
    ] = False,
    traceback: Traceback = False,
) -> None:
    """Sample the posterior of MODEL; print its summary and whether it can be trusted."""
    tree_path = writable(output, "--output", TREE_ENDINGS)
    picture_path = writable(picture, "--picture", PICTURE_ENDINGS)
    given = {
        "chains": chains,
        "draws": draws,
        "warmup": warmup,
        "seed": seed,
        "threads": threads,
        "init": init,
    }
    try:
        tree = sample(model, data, values, method, method_option, quiet, given)
    except KeyboardInterrupt:
        console(errors=True).print("Interrupted: there were no draws to save.", style="yellow")
        raise typer.Exit(INTERRUPTED) from None
    if tree_path is not None:
        save(tree, tree_path)
    code = report(tree, tree_path, picture_path, quiet)
    raise typer.Exit(INTERRUPTED if was_interrupted(tree) else code)


def sample(
    model: str,
    data: str | None,
    values: list[str] | None,
    method: str | None,
    method_option: list[str] | None,
    quiet: bool,
    given: dict[str, Any],
) -> Any:
    """Load the model and its data, and run the method: a DataTree."""
    import probgen as pg

    loaded = pg.load_model(model)
    arguments = model_data({} if data else loaded.data, data, values or ())
    return pg.infer(
        loaded.program,
        chosen_method(loaded.method, method, method_option or ()),
        data=arguments,
        progress=not quiet,
        **{name: value for name, value in given.items() if value is not None},
    )


def save(tree: Any, path: Path) -> None:
    """Write the tree to a file, whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        tree.to_netcdf(partial, engine="h5netcdf")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def report(tree: Any, tree_path: Path | None, picture_path: Path | None, quiet: bool) -> int:
    """Print the verdict and draw the picture; returns the exit code of the verdict."""
    import probgen as pg

    out = console()
    verdict = pg.diagnose(tree)
    if quiet:
        out.print(verdict.headline, markup=False)
    else:
        out.print(verdict)
    if picture_path is not None:
        pg.save_picture(tree, picture_path, verdict=verdict)
    if not quiet:
        for what, path in (("Draws", tree_path), ("Picture", picture_path)):
            if path is not None:
                out.print(f"{what}: {path}", markup=False, soft_wrap=True)
    return 0 if verdict.trustworthy else NOT_TRUSTWORTHY


def was_interrupted(tree: Any) -> bool:
    """Whether the run was stopped before its end."""
    return bool(tree.attrs.get("interrupted"))
