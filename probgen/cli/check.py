"""`probgen check`: a dry run that names what is wrong with a model or its data."""

import typer

from probgen.cli.arguments import given_data
from probgen.cli.options import Data, Model, Traceback
from probgen.cli.terminal import ERROR, console, reported


@reported
def check(model: Model, data: Data = None, traceback: Traceback = False) -> None:
    """Run MODEL dry and name the sites that would fail, and the cure. Exit code 1 if any."""
    import probgen as pg

    loaded = pg.load_model(model)
    report = pg.check(loaded.program, given_data(loaded, data))
    console().print(report)
    if not report.ok:
        raise typer.Exit(ERROR)
