"""How many threads torch computes with: one where the work is too small to be shared.

Threads that share a product wait for each other at its end. Where a product takes microseconds
that costs more than it gains, and on a machine whose cores are busy with something else it costs
a time slice of the scheduler each time: a training of half a second then takes a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

__all__ = ["SMALL", "threads_for", "torch_threads"]

SMALL = 2e7
"""Multiply-adds of a product up to which one thread does it: about a millisecond."""


def threads_for(multiply_adds: float) -> int:
    """One for products of fewer than `SMALL` multiply-adds, else what torch is set to."""
    return 1 if multiply_adds < SMALL else torch.get_num_threads()


def _here(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


@contextmanager
def torch_threads(count: int, call: Callable[..., Any] = _here) -> Iterator[None]:
    """Let torch use so many threads; put back afterwards.

    `call(function, *arguments)` calls a function in the thread that works, where that is not the
    one that enters: torch keeps the number for each.
    """
    before = torch.get_num_threads()
    call(torch.set_num_threads, count)
    try:
        yield
    finally:
        call(torch.set_num_threads, before)
