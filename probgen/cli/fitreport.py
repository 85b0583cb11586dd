"""What `probgen fit` prints of what was learned."""

from pathlib import Path
from typing import Any

from probgen.cli.terminal import INTERRUPTED, NOT_TRUSTWORTHY, TRUSTWORTHY, console


def told(fitted: Any, saved: Path | None, quiet: bool, store: str | None, model: str) -> int:
    """Save a fit and print how learning went; returns the exit code."""
    if saved is not None:
        fitted.save(saved)
    out = console()
    if quiet:
        out.print(repr(fitted), markup=False, highlight=False, soft_wrap=True)
    else:
        out.print(summary_of(fitted))
        if saved is not None:
            out.print(f"Saved: {saved}", markup=False, soft_wrap=True)
    for note in fitted.summary.get("notes", ()):
        console(errors=True).print(f"Note: {note}", style="yellow", markup=False)
    if fitted.summary.get("interrupted"):
        cure = f" Go on with: probgen resume {store} --model {model}" if store else ""
        console(errors=True).print(f"Interrupted.{cure}", markup=False, soft_wrap=True)
        return INTERRUPTED
    return NOT_TRUSTWORTHY if fitted.summary.get("converged") is False else TRUSTWORTHY


def paged(fitted: Any, page: Path | None, data: Any, validation: Any, quiet: bool) -> None:
    """Write the page of a fit, if there is to be one."""
    if page is None:
        return
    import probgen as pg

    pg.report(fitted, page, data=data, validation=validation)
    if not quiet:
        console().print(f"Report: {page}", markup=False, soft_wrap=True)


def summary_of(fitted: Any) -> Any:
    """A table: what was learned, and the last value of every metric with what it is."""
    from rich.markup import escape
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    history = fitted.tree["history"].data_vars if "history" in fitted.tree.children else {}
    for name, value in fitted.summary.items():
        if name in ("notes", "interrupted"):
            continue
        about = history[name.removeprefix("last_")].attrs if name[5:] in history else {}
        words = ", ".join(str(about[key]) for key in ("long_name", "units") if key in about)
        shown = f"{value:.5g}" if isinstance(value, float) else str(value)
        grid.add_row(name.removeprefix("last_"), escape(shown), escape(words))
    return grid
