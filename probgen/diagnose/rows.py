"""The lines of the summary table as they are printed, for text and terminal alike.

Each number is shown to the digits its Monte Carlo error leaves; large sites are represented by
their first and their worst scalars, with a line for the extremes of the others.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor, isfinite, log10
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from probgen.diagnose.verdict import Verdict

MOST_ROWS = 40
ROWS_PER_SITE = 8


@dataclass(frozen=True)
class Row:
    """One printed line: the name of a parameter, its cells, and the style of each."""

    name: str
    cells: tuple[str, ...]
    styles: tuple[str, ...]


def headings(table: pd.DataFrame) -> list[str]:
    """Column headings: the interval by its quantiles, the others short."""
    share = float(table.columns[2].removeprefix("eti").removesuffix("_lb")) / 100
    low, high = 50 * (1 - share), 50 * (1 + share)
    return ["mean", "sd", f"{low:g}%", f"{high:g}%", "mcse", "ess bulk", "ess tail", "r_hat"]


def table_rows(verdict: "Verdict") -> Iterator[Row]:
    """Rows to print, site by site, with a line for those left out."""
    groups: dict[str, list[int]] = {}
    for position, site in enumerate(verdict.sites):
        groups.setdefault(site, []).append(position)
    room = max(2, min(ROWS_PER_SITE, MOST_ROWS // max(len(groups), 1)))
    printed = 0
    for number, (site, members) in enumerate(groups.items()):
        if printed >= MOST_ROWS:
            yield Row(f"... {len(groups) - number} more sites", ("",) * 8, ("",) * 8)
            return
        fits = len(members) <= max(room, 10 if len(verdict.table) <= MOST_ROWS else 0)
        chosen = members if fits else representatives(verdict.table, members, room)
        for position in chosen:
            yield format_row(verdict, position)
        if len(chosen) < len(members):
            yield rest_row(verdict.table, site, members, len(chosen))
        printed += len(chosen)


def representatives(table: pd.DataFrame, members: list[int], room: int) -> list[int]:
    """The first scalars of a large site and its worst by R-hat and bulk ESS, in order."""
    rows = table.iloc[members]
    badness = rows["r_hat"].fillna(1.0).to_numpy() - 1.0
    badness = badness / 0.01 + 100.0 / rows["ess_bulk"].fillna(np.inf).to_numpy()
    worst = [members[i] for i in np.argsort(-badness, kind="stable")[: room // 2]]
    first = [member for member in members if member not in worst][: room - len(worst)]
    return sorted({*worst, *first})


def rest_row(table: pd.DataFrame, site: str, members: list[int], shown: int) -> Row:
    """What can be said of the scalars of a site that are not printed: their extremes."""
    rows = table.iloc[members]
    bulk, tail, r_hat = rows["ess_bulk"].min(), rows["ess_tail"].min(), rows["r_hat"].max()
    extremes = (
        f">={bulk:.0f}" if isfinite(bulk) else "-",
        f">={tail:.0f}" if isfinite(tail) else "-",
        f"<={r_hat:.3f}" if isfinite(r_hat) else "-",
    )
    name = f"... {len(members) - shown} more of {site}"
    return Row(name, ("",) * 5 + extremes, ("dim",) * 8)


def format_row(verdict: "Verdict", position: int) -> Row:
    """Cells of one parameter as text, with their styles."""
    row = verdict.table.iloc[position]
    mean, sd, low, high, mcse, bulk, tail, r_hat = (float(value) for value in row)
    places = decimals(sd, mcse)
    cells = [fixed(value, places) for value in (mean, sd, low, high)]
    cells.append("" if not isfinite(mcse) else f"{mcse:.1g}" if mcse < 1 else f"{mcse:.2g}")
    cells += [f"{value:.0f}" if isfinite(value) else "-" for value in (bulk, tail)]
    cells.append("-" if np.isnan(r_hat) else f"{r_hat:.3f}")
    wanted = verdict.limits.wanted_ess(verdict.chains)
    bad = (bulk < wanted, tail < wanted, r_hat > verdict.limits.r_hat)
    styles = [""] * 5 + ["bold red" if flag else "" for flag in bad]
    return Row(str(row.name), tuple(cells), tuple(styles))


def decimals(sd: float, mcse: float) -> int:
    """Decimal places worth printing: down to the leading digit of the Monte Carlo error."""
    scale = mcse if isfinite(mcse) and mcse > 0 else sd / 100
    if not isfinite(scale) or scale <= 0:
        return 3
    return min(max(-floor(log10(scale)), 0), 8)


def fixed(value: float, places: int) -> str:
    """A number with fixed places, or in powers of ten where that would be unreadable."""
    if not isfinite(value):
        return "-" if np.isnan(value) else str(value)
    if abs(value) >= 1e7 or places > 6:
        return f"{value:.4g}"
    return f"{round(value, places) + 0.0:.{places}f}"  # + 0.0 makes a negative zero positive
