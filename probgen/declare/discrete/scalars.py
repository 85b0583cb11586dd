"""Indexing by a tensor without dimensions where nothing may be read in Python.

Torch reads such an index as a number, which `torch.vmap` cannot do: `loc[z]` with a scalar
discrete site z. Here the index is given one dimension, which is taken off the result.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

__all__ = ["index_by_scalars"]


class _IndexByScalars(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.__getitem__:
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            if any(map(_is_scalar, index)):
                return _indexed(args[0], index)
        return func(*args, **(kwargs or {}))


@contextlib.contextmanager
def index_by_scalars() -> Iterator[None]:
    """Let tensors be indexed by integer tensors without dimensions, without reading them."""
    with _IndexByScalars():
        yield


def _indexed(tensor: torch.Tensor, index: tuple[Any, ...]) -> torch.Tensor:
    """`tensor[index]`, each scalar tensor along a dimension of its own."""
    if any(isinstance(item, torch.Tensor) and not _is_scalar(item) for item in index):
        # The scalars broadcast against the other index tensors.
        return tensor[tuple(i.reshape(1) if _is_scalar(i) else i for i in index)]
    given = sum(item is not None and item is not Ellipsis for item in index)
    dim = 0
    for item in index:
        if item is Ellipsis:
            dim += tensor.dim() - given
        elif _is_scalar(item):
            tensor = tensor.index_select(dim, item.reshape(1)).squeeze(dim)
            given -= 1
        elif item is None:
            tensor, dim = tensor.unsqueeze(dim), dim + 1
            given += 1
        elif isinstance(item, slice):
            tensor = tensor[(slice(None),) * dim + (item,)]
            dim += 1
        else:
            tensor = tensor.select(dim, int(item))
            given -= 1
    return tensor


def _is_scalar(item: Any) -> bool:
    return (
        isinstance(item, torch.Tensor)
        and item.dim() == 0
        and item.dtype not in (torch.bool, torch.uint8)
        and not item.is_floating_point()
    )
