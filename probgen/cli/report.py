"""`probgen report`: saved results as one HTML page."""

from typing import Annotated, Any

import typer

from probgen.cli.arguments import writable
from probgen.cli.options import OUTPUT, Quiet, Traceback
from probgen.cli.terminal import NOT_TRUSTWORTHY, console, reported

ENDINGS = (".html", ".htm")


@reported
def report(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="Results: stores, NetCDF files, or the CSV files of CmdStan's chains. Several "
            "results are compared.",
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", metavar="FILE.html", help="The page.", rich_help_panel=OUTPUT
        ),
    ] = "report.html",
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Model whose source is shown: a zoo name, file.py or file.py:function. Its file "
            "is run.",
            show_default=False,
        ),
    ] = None,
    title: Annotated[
        str | None, typer.Option(help="Heading of the page.", show_default=False)
    ] = None,
    quiet: Quiet = False,
    traceback: Traceback = False,
) -> None:
    """Write a self-contained HTML report. Exit code 3: a result is not to be trusted."""
    from probgen.diagnose.report.runs import read_runs
    from probgen.diagnose.report.write import write_report

    path = writable(output, "--output", ENDINGS)
    assert path is not None
    found = read_runs(runs)
    write_report(found, path, source(model), title)
    out = console()
    if not quiet:
        for run in found:
            out.print(f"{run.label}: {run.verdict.headline}", markup=False, highlight=False)
        out.print(f"Report: {path}", markup=False, soft_wrap=True)
    trusted = all(run.verdict.trustworthy for run in found)
    raise typer.Exit(0 if trusted else NOT_TRUSTWORTHY)


def source(model: str | None) -> Any:
    """The program of a model named on the command line, None without one."""
    if model is None:
        return None
    import probgen as pg

    return pg.load_model(model).program
