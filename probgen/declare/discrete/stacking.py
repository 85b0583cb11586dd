"""Stacking values of discrete sites that have their states along different dimensions.

A program may collect its path, `torch.stack(path, -1)`, for a deterministic site. When every
site has all its states at once the shapes differ, and are broadcast to each other first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

__all__ = ["broadcast_stacks"]


class _BroadcastStacks(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.stack and args and len({tensor.shape for tensor in args[0]}) > 1:
            args = (torch.broadcast_tensors(*args[0]), *args[1:])
        return func(*args, **(kwargs or {}))


@contextlib.contextmanager
def broadcast_stacks(enabled: bool = True) -> Iterator[None]:
    """Let `torch.stack` take tensors whose shapes broadcast to each other."""
    with _BroadcastStacks() if enabled else contextlib.nullcontext():
        yield
