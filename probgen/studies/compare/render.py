"""A comparison as a rich table and as plain text: best first, failures with their reason."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from probgen.diagnose.words import count_of
from probgen.studies.compare.summary import is_of_states
from probgen.studies.compare.units import duration, thousands

if TYPE_CHECKING:
    from probgen.studies.compare.result import Comparison

__all__ = ["Cell", "as_rich", "as_text", "cells", "headings"]

STYLES = {
    "right": "green",
    "passed": "green",
    "slightly biased": "yellow",
    "unchecked": "yellow",
    "not trusted": "red",
    "biased": "bold red",
    "failed": "bold red",
}
# column of the table -> its heading and how a number is written
COLUMNS = {
    "finished": ("runs", str),
    "trusted": ("trusted", str),
    "error_mean_worst": ("mean off", "{:.2g}"),
    "error_sd_worst": ("sd off", "{:.2g}"),
    "error_quantile_worst": ("quantile off", "{:.2g}"),
    "total_variation_worst": ("TV", "{:.2g}"),
    "sliced_wasserstein": ("sliced W", "{:.2g}"),
    "log_evidence_error": ("evidence off", "{:.2g}"),
    "bias": ("bias", "{:.2g}"),
    "ess_per_second": ("ESS/s", thousands),
    "ess_per_gradient": ("ESS/grad", "{:.2g}"),
    "needed": ("400 ESS", duration),
    "trusted_seconds": ("first trusted", duration),
    "memory_added_mb": ("MB", "{:.0f}"),
}
# too wide for a terminal, and in the page and the table
NOT_IN_TERMINAL = {"error_quantile_worst", "sliced_wasserstein", "memory_added_mb"}
LEGEND_OF_ERRORS = (
    "Errors are those of the worst scalar, in standard deviations of the reference; bias is what "
    "chance does not explain of them."
)
LEGEND = "ESS is of the worst scalar, bulk or tail, warm-up charged."
LEGEND_OF_STATES = (
    "TV is the total variation distance of the worst variable's marginal; bias is the error of a "
    "probability that chance does not explain. ESS is of the worst state, warm-up charged."
)


@dataclass(frozen=True)
class Cell:
    """A heading of the printed table with the text of one row."""

    column: str
    text: str


def headings(table: pd.DataFrame) -> dict[str, str]:
    """Headings of the columns that have something in them."""
    return {
        name: heading
        for name, (heading, _) in COLUMNS.items()
        if name in table and not table[name].isin(["", math.nan]).all()
    }


def cells(row: pd.Series, columns: Any) -> list[Cell]:
    """The row's numbers as text."""
    return [Cell(name, _text(row[name], COLUMNS[name][1])) for name in columns]


def _text(value: Any, form: Any) -> str:
    if isinstance(value, float) and math.isnan(value):
        return "-"
    if callable(form):
        return str(form(value))
    if math.isinf(value):
        return "never"
    return form.format(0.0 if abs(value) < 1e-12 else value)


def method_of(row: pd.Series) -> str:
    """Label, with the budget where there are several."""
    budget = row.get("budget")
    label = str(row["method"])
    return label if budget is None or pd.isna(budget) else f"{label} x{budget:.0f}"


def as_rich(comparison: Comparison) -> Any:
    """Table and verdict for a terminal."""
    from rich import box
    from rich.console import Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    summary = comparison.table
    columns = {n: text for n, text in headings(summary).items() if n not in NOT_IN_TERMINAL}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("method", overflow="fold", min_width=8)
    table.add_column("", overflow="fold", min_width=8)
    for heading in columns.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for _, row in summary.iterrows():
        style = STYLES[row["standing"]]
        texts = [Text(cell.text) for cell in cells(row, columns)]
        table.add_row(Text(method_of(row), "cyan"), Text(row["standing"], style), *texts)
    best, *others = comparison.sentences
    parts: list[Any] = [Text(best, style="bold"), *map(Text, others)]
    parts += [Text(f"· {text}", style="dim") for text in comparison.caveats]
    parts.append(Text(basis(comparison), style="dim"))
    parts.append(Text(legend(comparison), style="dim"))
    return Group(table, Panel(Group(*parts), title="Verdict", border_style="cyan"))


def basis(comparison: Comparison) -> str:
    """What the numbers rest on."""
    runs, attrs = comparison.runs, comparison.tree.attrs
    text = f"{attrs.get('model')}: {count_of(len(runs), 'run')}, "
    text += count_of(runs["seed"].nunique(), "seed")
    if attrs.get("reference"):
        text += f"; reference: {attrs['reference']}"
    compiling = float(attrs.get("seconds_compile_cold", 0.0))
    if compiling > 0:
        text += f"; compiling takes {duration(compiling)}, apart"
    return f"{text}; {duration(float(attrs.get('seconds', math.nan)))} in all"


def legend(comparison: Comparison) -> str:
    """What the columns mean."""
    tree = comparison.tree
    of_states = "errors" in tree.children and is_of_states(tree)
    if of_states:
        return LEGEND_OF_STATES
    return f"{LEGEND_OF_ERRORS} {LEGEND}" if "errors" in tree.children else LEGEND


def as_text(comparison: Comparison) -> str:
    """The same without colours, 160 columns wide."""
    from rich.console import Console

    stream = io.StringIO()
    Console(file=stream, width=160, color_system=None).print(as_rich(comparison))
    return stream.getvalue().rstrip()
