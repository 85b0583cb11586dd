"""A rich progress display for runs that take longer than a blink."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from probgen.inference.method import Progress

__all__ = ["ProgressDisplay"]

_DELAY = 0.5  # seconds before anything is shown: most runs are over by then


class ProgressDisplay:
    """Callable that a sampler hands its `Progress` to; a context manager that cleans up.

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

    def __call__(self, progress: Progress) -> None:
        """Show where a sampler of a density stands."""
        warm = min(progress.iterations, default=0) >= progress.warmup
        self.step(
            sum(progress.iterations),
            progress.total * len(progress.iterations),
            f"{'sampling' if warm else 'warm-up'}, {sum(progress.divergences)} divergences, "
            f"{_short(sum(progress.gradients))} gradients",
        )

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


def _short(count: int) -> str:
    for unit, scale in (("M", 1_000_000), ("k", 1_000)):
        if count >= scale:
            return f"{count / scale:.1f}{unit}"
    return str(count)
