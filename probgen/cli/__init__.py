"""The command line: `probgen run | fit | sample | resume | check | diagnose | compare | list ...`.

No logic of its own: every command reads its arguments, calls the public functions and prints.
Nothing heavy is imported before a command needs it, so that `probgen --help` is immediate.
Exit codes: 0 trustworthy, 1 error, 2 wrong usage, 3 ran but not to be trusted, 130 interrupted.
"""

from typing import Annotated

import typer

from probgen.cli.calibrate import calibrate, conform
from probgen.cli.check import check
from probgen.cli.compare import compare
from probgen.cli.diagnose import diagnose
from probgen.cli.fit import fit
from probgen.cli.report import report
from probgen.cli.resume import resume
from probgen.cli.run import run
from probgen.cli.sample import sample
from probgen.cli.show import show
from probgen.cli.zoo import list_zoo

app = typer.Typer(
    name="probgen",
    help="Fast, diagnosed Bayesian inference for Pyro programs and networks.",
    epilog="MODEL is a name of the zoo (see `probgen list`), a file.py, a file.py:function, or a "
    "network (file.bif, file.uai ..., or one that comes with pgmpy, such as alarm). "
    "Exit codes: 0 trustworthy, 1 error, 2 wrong usage, 3 not to be trusted, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(run)
app.command()(fit)
app.command()(resume)
app.command()(sample)
app.command()(check)
app.command()(diagnose)
app.command()(compare)
app.command()(report)
app.command()(calibrate)
app.command()(conform)
app.command("list")(list_zoo)
app.command()(show)


def print_version(wanted: bool) -> None:
    """Print the version and leave, when asked to."""
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            typer.echo(f"probgen {version('probgen')}")
        except PackageNotFoundError:
            typer.echo("probgen (run from its source, not installed)")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Version.")
    ] = False,
) -> None:
    """Fast, diagnosed Bayesian inference for Pyro programs and networks."""


def main() -> None:
    """Entry point of the `probgen` command."""
    app()
