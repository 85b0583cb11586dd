"""A verdict as plain text and as a rich renderable: the summary table, then the findings."""

from textwrap import indent
from typing import TYPE_CHECKING

from probgen.diagnose.finding import Severity

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table

    from probgen.diagnose.finding import Finding
    from probgen.diagnose.verdict import Verdict

STYLE: dict[Severity, str] = {"failure": "bold red", "warning": "yellow", "note": "dim"}
MARK: dict[Severity, str] = {"failure": "✗", "warning": "!", "note": "·"}


def as_text(verdict: "Verdict") -> str:
    """The verdict as plain text: table, headline, findings."""
    rows = list(verdict.rows())
    lines = [("", *verdict.headings()), *((row.name, *row.cells) for row in rows)]
    width = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    left = 1 + verdict.text_columns
    text = [
        "  ".join(
            [
                *map(str.ljust, line[:left], width[:left]),
                *map(str.rjust, line[left:], width[left:]),
            ]
        ).rstrip()
        for line in lines
    ]
    text += ["", verdict.headline, f"({verdict.basis})"]
    for finding in verdict.findings:
        text += ["", indent(str(finding), "  ")]
    return "\n".join(text)


def as_rich(verdict: "Verdict") -> "Group":
    """The verdict for a terminal: the table and a panel with the findings."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    colour = "green" if verdict.ok else "yellow" if verdict.trustworthy else "red"
    parts: list[RenderableType] = [Text(verdict.headline, style=f"bold {colour}")]
    parts.append(Text(verdict.basis, style="dim"))
    for finding in verdict.findings:
        parts += [Text(""), finding_grid(finding)]
    return Group(rich_table(verdict), Panel(Group(*parts), border_style=colour, title="Verdict"))


def as_html(verdict: "Verdict", width: int = 110) -> str:
    """The same for a notebook, in colours that are read on light and dark."""
    from io import StringIO

    from rich.console import Console

    console = Console(record=True, width=width, file=StringIO(), force_jupyter=False)
    console.print(as_rich(verdict))
    style = "white-space:pre;overflow-x:auto;line-height:normal"
    return console.export_html(
        inline_styles=True, code_format=f'<pre style="{style}"><code>{{code}}</code></pre>'
    )


def finding_grid(finding: "Finding") -> "Table":
    """One finding: mark and message, then cause and next step, indented under it."""
    from rich.table import Table
    from rich.text import Text

    style = STYLE[finding.severity]
    message = Text.assemble(
        (f"{finding.check}: ", style),
        (finding.message, "dim" if finding.severity == "note" else ""),
    )
    reasons = Table.grid(padding=(0, 1))
    for label, label_style, text in (
        ("why", "dim", finding.cause),
        ("next", "bold cyan", finding.advice),
    ):
        if text:
            reasons.add_row(Text(label, style=label_style), Text(text))
    grid = Table.grid(padding=(0, 1))
    grid.add_row(Text(MARK[finding.severity], style=style), message)
    if reasons.rows:
        grid.add_row("", reasons)
    return grid


def rich_table(verdict: "Verdict") -> "Table":
    """Summary table for a terminal, the cells over a limit in red."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("", overflow="fold")
    for column, heading in enumerate(verdict.headings()):
        if column < verdict.text_columns:
            table.add_column(heading, overflow="fold")
        else:
            table.add_column(heading, justify="right", no_wrap=True)
    for row in verdict.rows():
        cells = [Text(t, style=s) for t, s in zip(row.cells, row.styles, strict=True)]
        table.add_row(Text(row.name, style="cyan" if any(row.cells[:1]) else "dim"), *cells)
    return table
