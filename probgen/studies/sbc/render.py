"""A calibration study as text and as a rich table."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from probgen.studies.sbc.statistics import INTERVALS
from probgen.studies.sbc.verdict import LEVEL

if TYPE_CHECKING:
    from probgen.studies.calibration import Calibration

__all__ = ["as_rich", "as_text"]

MOST_ROWS = 20
FAR = 3.0  # standard errors from which a coverage is marked


def as_rich(study: Calibration) -> Any:
    """Headline, a table of the most suspicious scalars, and notes."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    verdict = study.verdict
    attrs = study.tree.attrs
    table = Table(title=None, header_style="bold", pad_edge=False)
    table.add_column("quantity", overflow="fold", min_width=14)
    headings = ["p ECDF", "p adj.", *(f"{100 * i:g} %" for i in INTERVALS)]
    for heading in [*headings, "z mean", "z sd", "contr."]:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("shape")
    worst = study.worst[:MOST_ROWS]
    for name in worst:
        row = study.table.loc[name]
        bad = row["p_adjusted"] < LEVEL
        cells = [f"{row[c]:.2g}" for c in ("p_ecdf", "p_adjusted")]
        covered = study.coverage.loc[name]
        for interval in INTERVALS:
            part = covered.loc[interval]
            text = f"{100 * part['coverage']:.0f}±{100 * part['error']:.0f}"
            cells.append(f"[yellow]{text}[/yellow]" if abs(part["z"]) > FAR else text)
        cells += [f"{row[c]:.2f}" for c in ("z_mean", "z_sd", "contraction")]
        shape = row["shape"] if bad else ""
        table.add_row(str(name), *cells, shape, style="red" if bad else None)
    hidden = len(study.table) - len(worst)
    lines: list[Any] = [
        Text(verdict.headline, style="bold green" if verdict.passed else "bold red"),
        Text(
            f"{attrs['model']} by {attrs['method']}: "
            f"{study.tree['replications'].sizes['replication']} replications, "
            f"ranks among {study.largest} draws; intervals: coverage ± binomial error"
        ),
    ]
    if len(worst):
        lines.append(table)
    if hidden > 0:
        lines.append(Text(f"{hidden} more scalars, none of them worse."))
    lines += [Text(text) for text in (*verdict.findings[1:], *verdict.notes)]
    return Group(*lines)


def as_text(study: Calibration, width: int = 120) -> str:
    """The same as plain text."""
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=width, no_color=True, highlight=False).print(as_rich(study))
    return out.getvalue().rstrip()
