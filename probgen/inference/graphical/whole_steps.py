"""Steps of a run that Ctrl-C does not cut in two.

Draws, counts and sums that a step changes together would contradict each other if an interrupt
fell into the midst of it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

__all__ = ["WholeSteps"]


class WholeSteps:
    """Calls functions in a thread of its own; only the main thread hears Ctrl-C.

    Leaving the context waits for whatever still runs: catch KeyboardInterrupt outside of it.

    Example:
        >>> with WholeSteps() as whole:
        ...     whole(max, 3, 5)
        5

    """

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(1)
        # The pool forgets a thread whose start was interrupted: let it start before any step.
        self._worker.submit(int).result()

    def __enter__(self) -> WholeSteps:
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.shutdown(wait=True)

    def __call__(self, step: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """The result of `step`; a KeyboardInterrupt is raised again once the step is done."""
        work = self._worker.submit(step, *arguments, **options)
        try:
            return work.result()
        except KeyboardInterrupt:
            work.result()
            raise
