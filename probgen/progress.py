"""What is shown of a run that takes longer than a blink, on standard error.

In a terminal: a bar for every chain (up to eight; more are summed up), with its divergences, step
size and gradient evaluations. In a notebook: the same, live. Elsewhere (a log file, a pipe): a
plain line every few seconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from statistics import median
from typing import Protocol

from probgen.progress_bars import Bars, NotebookBars, Row, TerminalBars

__all__ = ["ProgressDisplay", "RunProgress", "short_count"]

_DELAY = 0.5  # seconds before anything is shown: most runs are over by then
_EVERY = 5.0  # seconds between lines where nothing can be redrawn
_MOST_BARS = 8


class RunProgress(Protocol):
    """What is known of a run in flight; tuples have one entry per chain."""

    @property
    def iterations(self) -> Sequence[int]:
        """Transitions done so far."""

    @property
    def total(self) -> int:
        """Transitions each chain will make."""

    @property
    def warmup(self) -> int:
        """How many of them are warm-up."""

    @property
    def divergences(self) -> Sequence[int]:
        """Divergent transitions after warm-up."""

    @property
    def gradients(self) -> Sequence[int]:
        """Gradient evaluations."""

    @property
    def step_sizes(self) -> Sequence[float]:
        """Step sizes where they are known, 0 or nothing where not."""


class ProgressDisplay:
    """Bars that `show` or `step` move; a context manager that cleans up."""

    def __init__(self, title: str, enabled: bool = True) -> None:
        self.title = title
        self.enabled = enabled
        self.started = time.monotonic()
        self._bars: Bars | None = None
        self._next_line = _EVERY

    def __enter__(self) -> ProgressDisplay:
        self.started = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def show(self, progress: RunProgress) -> None:
        """Show where the chains of a run are."""
        rows = _rows(progress)
        # A log gets one line for all chains, whatever their number.
        self._update(rows if _is_live() else _summed(progress))

    def step(self, done: int, total: int, detail: str) -> None:
        """Show that `done` of `total` is done, and what is going on."""
        self._update([("", done, total, detail)])

    def _update(self, rows: list[Row]) -> None:
        elapsed = time.monotonic() - self.started
        if not self.enabled or elapsed < _DELAY:
            return
        if not _is_live():
            if elapsed >= self._next_line:
                self._next_line = elapsed + _EVERY
                _print_lines(self.title, rows, elapsed)
            return
        if self._bars is None:
            kind = NotebookBars if _in_notebook() else TerminalBars
            self._bars = kind(self.title, len(rows))
        self._bars.update(rows)


def _rows(progress: RunProgress) -> list[Row]:
    """A row for every chain, or one for all when they are many, or where there are none."""
    chains = len(progress.iterations)
    if chains > _MOST_BARS or _doing(progress):
        return _summed(progress)
    steps = progress.step_sizes
    rows = []
    for chain in range(chains):
        done = progress.iterations[chain]
        step = f", step {steps[chain]:.2g}" if chain < len(steps) and steps[chain] > 0 else ""
        detail = _detail(
            done < progress.warmup, progress.divergences[chain], progress.gradients[chain]
        )
        rows.append((f"chain {chain}", done, progress.total, detail + step))
    return rows


def _summed(progress: RunProgress) -> list[Row]:
    warm = min(progress.iterations, default=0) < progress.warmup
    chains = len(progress.iterations)
    if doing := _doing(progress):
        detail = f"{doing}, {short_count(sum(progress.gradients))} gradients"
        return [("", min(progress.iterations, default=0), progress.total, detail)]
    detail = _detail(warm, sum(progress.divergences), sum(progress.gradients))
    known = [step for step in progress.step_sizes if step > 0]
    detail += f", step {median(known):.2g}" if known else ""
    return [(f"{chains} chains", sum(progress.iterations), progress.total * chains, detail)]


def _doing(progress: RunProgress) -> str:
    """What a method that has no chains tells of itself."""
    return getattr(progress, "doing", "")


def _detail(warm: bool, divergences: int, gradients: int) -> str:
    doing = "warm-up" if warm else "sampling"
    return f"{doing}, {divergences} divergences, {short_count(gradients)} gradients"


def short_count(count: int) -> str:
    """A number of things in a few characters, such as 12.3k."""
    for unit, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= scale:
            return f"{count / scale:.1f}{unit}"
    return str(count)


def _print_lines(title: str, rows: list[Row], elapsed: float) -> None:
    for name, done, total, detail in rows:
        share = f"{100 * done / total:.0f}%" if total else ""
        parts = [part for part in (name, share, detail) if part]
        print(f"{title}: {', '.join(parts)} [{elapsed:.0f} s]", file=sys.stderr, flush=True)


def _is_live() -> bool:
    """Whether what was shown can be drawn over: a terminal or a notebook."""
    return _in_notebook() or (sys.stderr is not None and sys.stderr.isatty())


def _in_notebook() -> bool:
    kernel = sys.modules.get("IPython")
    shell = kernel.get_ipython() if kernel is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"
