"""A rich progress display for runs that take longer than a blink."""

from __future__ import annotations

import time
from typing import Any

__all__ = ["ProgressDisplay"]

_DELAY = 0.5  # seconds before anything is shown: most runs are over by then


class ProgressDisplay:
    """A bar that `step` moves; a context manager that cleans up.

    Goes to standard error, with one bar for all chains together; in a terminal it is live, in a
    log nothing is printed before the end.
    """

    def __init__(self, title: str, enabled: bool = True) -> None:
        self.title = title
        self.enabled = enabled
        self.started = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> ProgressDisplay:
        self.started = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def step(self, done: int, total: int, detail: str) -> None:
        """Show that `done` of `total` is done, and what is going on."""
        if not self.enabled or time.monotonic() - self.started < _DELAY:
            return
        if self._bar is None:
            self._open()
        self._bar.update(self._task, completed=done, total=total, detail=detail)

    def _open(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True, force_jupyter=False),
            transient=True,
        )
        self._task = self._bar.add_task(self.title, total=None, detail="")
        self._bar.start()
