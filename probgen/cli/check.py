"""`probgen check`: a dry run that names what is wrong with a model or its data."""

import typer

from probgen.cli.arguments import model_data
from probgen.cli.options import DataFile, Model, Traceback, Values
from probgen.cli.terminal import ERROR, console, reported


@reported
def check(
    model: Model, data: DataFile = None, values: Values = None, traceback: Traceback = False
) -> None:
    """Run MODEL dry and name the sites that would fail, and the cure. Exit code 1 if any."""
    import probgen as pg

    loaded = pg.load_model(model)
    report = pg.check(loaded.program, model_data({} if data else loaded.data, data, values or ()))
    console().print(report)
    if not report.ok:
        raise typer.Exit(ERROR)
