"""`probgen report`: saved results as one HTML page."""

from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any

import typer

from probgen.cli.arguments import given_data, writable
from probgen.cli.options import OUTPUT, Data, Quiet, Traceback
from probgen.cli.terminal import NOT_TRUSTWORTHY, console, reported
from probgen.errors import ModelError, OptionError

ENDINGS = (".html", ".htm")
MOST_DRAWS = 250
"""Predictive draws per chain: about as many as the pictures show."""


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
            help="Model of the runs: a zoo name, file.py or file.py:function. Its source is "
            "shown, and its predictions are checked. Its file is run.",
            show_default=False,
        ),
    ] = None,
    data: Data = None,
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
    if data and model is None:
        raise OptionError("--data: name the model that takes them too, with --model.")
    found = read_runs(runs)
    program = None
    if model is not None:
        import probgen as pg

        loaded = pg.load_model(model)
        program = loaded.program
        found = [with_predictions(run, program, given_data(loaded, data)) for run in found]
    write_report(found, path, program, title)
    out = console()
    if not quiet:
        for run in found:
            out.print(f"{run.label}: {run.verdict.headline}", markup=False, highlight=False)
        out.print(f"Report: {path}", markup=False, soft_wrap=True)
    trusted = all(run.verdict.trustworthy for run in found)
    raise typer.Exit(0 if trusted else NOT_TRUSTWORTHY)


def with_predictions(run: Any, program: Any, data: dict[Any, Any]) -> Any:
    """A run of this program with prior and predictive draws, as many as pictures show.

    Other runs, and those that have them, are handed back as they are.
    """
    import probgen as pg
    from probgen.declare.data import name_of

    if run.record is None or run.attrs.get("model") != name_of(program):
        return run
    if run.has("posterior_predictive") or not run.has("observed_data"):
        return run
    step = max(1, run.record.draws // MOST_DRAWS)
    few = run.dataset("posterior").isel(draw=slice(None, None, step))
    known = {g: run.dataset(g) for g in ("observed_data", "constant_data") if run.has(g)}
    small = type(run.tree).from_dict({"posterior": few, **known})
    predicted = pg.predict(small, program, data)
    if "posterior_predictive" not in predicted:
        raise OptionError(
            f"{run.label} saw other data than the model's own: give them with --data, as to "
            "`probgen run`."
        )
    made = {"posterior_predictive": predicted["posterior_predictive"]}
    if not run.has("prior"):
        with suppress(ModelError):  # an improper prior has no draws
            made["prior"] = pg.prior(program, data)["prior"]
    tree = run.tree.copy()
    for group, node in made.items():
        tree[group] = node.to_dataset()
    return replace(run, tree=tree)
