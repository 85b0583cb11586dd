"""Bars that are drawn over: by rich in a terminal, as HTML in a notebook.

Rich draws in notebooks through ipywidgets only, which many lack; IPython's own display, whose
content can be replaced, is enough.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape
from typing import Any, Protocol

__all__ = ["Bars", "NotebookBars", "Row", "TerminalBars"]

Row = tuple[str, int, int, str]
"""Name, how much is done, of how much, and what is to be said."""

_NARROW = 110  # columns of a terminal, with fewer there is no room for a bar
_EVERY = 0.25  # seconds between pictures in a notebook


class Bars(Protocol):
    """One line for every row; `update` moves them, `stop` takes them away."""

    def update(self, rows: Sequence[Row]) -> None:
        """Show where the rows are."""

    def stop(self) -> None:
        """Take them away."""


class TerminalBars:
    """A progress bar of rich for each row, on standard error."""

    def __init__(self, title: str, rows: int) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        console = Console(stderr=True)
        wide = console.width >= _NARROW
        self.progress = Progress(
            TextColumn("{task.description}"),
            TextColumn("{task.fields[name]}"),
            *([BarColumn(bar_width=24)] if wide else []),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[detail]}", markup=False),
            *([TimeElapsedColumn()] if wide else []),
            TimeRemainingColumn(compact=not wide),
            console=console,
            transient=True,
        )
        self.tasks = [
            self.progress.add_task(title if not row else "", total=None, detail="", name="")
            for row in range(rows)
        ]
        self.progress.start()

    def update(self, rows: Sequence[Row]) -> None:
        """Show where the rows are."""
        for task, (name, done, total, detail) in zip(self.tasks, rows, strict=False):
            self.progress.update(task, completed=done, total=total, detail=detail, name=name)

    def stop(self) -> None:
        """Take them away."""
        self.progress.stop()


class NotebookBars:
    """A table below the cell that is replaced a few times a second."""

    def __init__(self, title: str, rows: int) -> None:
        from IPython.display import display

        self.title = title
        self.began = self.shown = time.monotonic()
        self.handle: Any = display({"text/plain": title}, raw=True, display_id=True)
        self.shown -= _EVERY

    def update(self, rows: Sequence[Row]) -> None:
        """Show where the rows are."""
        now = time.monotonic()
        if now - self.shown >= _EVERY:
            self.shown = now
            self.handle.update(self.picture(rows, now - self.began), raw=True)

    def picture(self, rows: Sequence[Row], seconds: float) -> dict[str, str]:
        """The rows as HTML, and as text for what shows no HTML."""
        head = f"{self.title}, {seconds:.0f} s"
        lines, cells = [head], []
        for name, done, total, detail in rows:
            share = f"{100 * done / total:.0f}%" if total else ""
            lines.append("  ".join(part for part in (name, share, detail) if part))
            bar = f'<progress value="{done}" max="{total or 1}" aria-label="{escape(name)}">'
            cells.append(
                f"<tr><td>{escape(name)}</td><td>{bar}</progress></td><td>{share}</td>"
                f'<td style="text-align:left">{escape(detail)}</td></tr>'
            )
        html = f"<table><caption>{escape(head)}</caption>{''.join(cells)}</table>"
        return {"text/plain": "\n".join(lines), "text/html": html}

    def stop(self) -> None:
        """Take them away."""
        self.handle.update({"text/plain": "", "text/html": ""}, raw=True)
