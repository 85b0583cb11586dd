"""Tensors that belong to a row each, when rows of a program run together.

Under `torch.vmap` a tensor that no row has touched is shared by all: it cannot be filled in
place with random numbers of each row, as many samplers of torch and Pyro do, nor written to by
one row. Here new tensors are given to every row, and the Dirichlet draws without its derivative,
which vmap has no rule for.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

__all__ = ["rows_apart", "rows_at_once"]

_BYTES = 1 << 28  # of all tensors that a block of rows makes on its way
_ROWS = 1000  # at most in one block: longer ones are no faster


_NEW = ("new", "new_empty", "new_zeros", "empty", "zeros", "empty_like", "zeros_like")


class _RowsApart(TorchFunctionMode):
    """Gives every row its own copy of a new tensor, which may be written to."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") in _NEW and isinstance(made, torch.Tensor):
            return torch.where(torch.rand(made.shape, device=made.device) < 2, made, made)
        return made


def rows_at_once(run: Callable[[], Any]) -> int:
    """How many rows may run together, from what one `run` of a program makes on its way."""
    with _CountBytes() as made:
        run()
    return max(1, min(_ROWS, _BYTES // max(made.total, 1)))


class _CountBytes(TorchFunctionMode):
    """Adds up the sizes of all tensors that are made: `total`, in bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.total += made.numel() * made.element_size()
        return made


@contextlib.contextmanager
def rows_apart() -> Iterator[None]:
    """Let programs whose samplers write in place run under `torch.vmap` without gradients."""
    Dirichlet = torch.distributions.Dirichlet
    before = Dirichlet.rsample
    Dirichlet.rsample = _dirichlet  # type: ignore[method-assign]
    try:
        with _RowsApart(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*performance drop")
            yield
    finally:
        Dirichlet.rsample = before  # type: ignore[method-assign]


def _dirichlet(self: Any, sample_shape: Any = ()) -> torch.Tensor:
    shape = self._extended_shape(sample_shape)
    return torch._sample_dirichlet(self.concentration.expand(shape).contiguous())
