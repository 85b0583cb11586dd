"""The summary tables of the page: cells as they are printed, with the number each sorts by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from probgen.diagnose import rows
from probgen.diagnose.network_verdict import FORMS, NetworkVerdict
from probgen.diagnose.verdict import Verdict

__all__ = ["Cell", "Line", "Table", "number_cell", "summary_of"]

MOST_LINES = 2000
HELP = {
    "mean": "posterior mean",
    "sd": "posterior standard deviation",
    "mcse": "Monte Carlo standard error of the mean",
    "ess bulk": "effective sample size of the middle",
    "ess tail": "effective sample size of the 5 % and 95 % quantiles",
    "r_hat": "rank-normalised split R-hat: 1 when the chains agree",
    "ess": "effective sample size",
    "probability": "posterior probability of the state",
}


@dataclass(frozen=True)
class Cell:
    """What is printed, the number it sorts by (None: nothing), and whether it is over a limit."""

    text: str
    value: float | None
    bad: bool = False


@dataclass(frozen=True)
class Line:
    """One row: its name, its cells, and the position of its scalar in the record (or -1)."""

    name: str
    cells: list[Cell]
    position: int = -1


@dataclass(frozen=True)
class Table:
    """Headings of the number columns, lines, and how many there would be without a bound."""

    headings: list[tuple[str, str]]
    lines: list[Line]
    total: int
    first: str = "parameter"


def summary_of(verdict: Verdict) -> Table:
    """The verdict's table, at most `MOST_LINES` lines: of more, those with the worst R-hat."""
    if isinstance(verdict, NetworkVerdict):
        return _of_network(verdict)
    chosen = _worst(verdict)
    headings = verdict.headings()
    return Table(
        [(name, HELP.get(name, f"{name} quantile")) for name in headings],
        [_line(verdict, i) for i in chosen],
        len(verdict.table),
    )


def number_cell(value: float | None, form: str, bad: bool = False) -> Cell:
    """A number as a cell; a dash where there is none."""
    if value is None or not np.isfinite(value):
        return Cell("-", None)
    return Cell(format(value, form), float(value), bad)


def _line(verdict: Verdict, position: int) -> Line:
    row = rows.format_row(verdict, position)
    numbers = [_number(value) for value in verdict.table.iloc[position]]
    cells = [
        Cell(text, number, bool(style))
        for text, number, style in zip(row.cells, numbers, row.styles, strict=True)
    ]
    return Line(str(verdict.table.index[position]), cells, position)


def _of_network(verdict: NetworkVerdict) -> Table:
    if verdict.maximised:
        return _most_probable(verdict)
    columns = ["probability", *verdict.statistics()]
    forms = {"probability": ".4f", **FORMS}
    table = verdict.table
    lines = []
    for i in _worst(verdict):
        cells = [Cell(str(table["state"].iloc[i]), None)]
        for name in columns:
            value = _number(table[name].iloc[i])
            cells.append(Cell("-" if value is None else format(value, forms[name]), value))
        lines.append(Line(str(table["variable"].iloc[i]), cells))
    headings = [("state", "state of the variable"), *((c, HELP.get(c, c)) for c in columns)]
    return Table(headings, lines, len(table), "variable")


def _most_probable(verdict: NetworkVerdict) -> Table:
    rows_of = list(verdict.table.groupby("variable", sort=False))
    lines = [
        Line(str(name), [Cell(str(group.loc[group["probability"].idxmax(), "state"]), None)])
        for name, group in rows_of[:MOST_LINES]
    ]
    headings = [("most probable state", "state in the most probable assignment")]
    return Table(headings, lines, len(rows_of), "variable")


def _worst(verdict: Verdict) -> list[int]:
    count = len(verdict.table)
    if count <= MOST_LINES:
        return list(range(count))
    badness = np.nan_to_num(verdict.table["r_hat"].to_numpy(float), nan=0.0)
    return sorted(int(i) for i in np.argsort(-badness, kind="stable")[:MOST_LINES])


def _number(value: float) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None
