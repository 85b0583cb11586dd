"""Ctrl-C during a training: noted, and obeyed between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["Interrupt", "noted_interrupts"]


class Interrupt:
    """Whether Ctrl-C came."""

    came = False


@contextmanager
def noted_interrupts() -> Iterator[Interrupt]:
    """Note the first SIGINT and let the second through; threads never get any."""
    interrupt = Interrupt()
    previous = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(previous):
        yield interrupt
        return

    def note(number: int, frame: FrameType | None) -> Any:
        if interrupt.came:
            return previous(number, frame)
        interrupt.came = True
        return None

    signal.signal(signal.SIGINT, note)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, previous)
