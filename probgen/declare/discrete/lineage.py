"""Which discrete sites a tensor was computed from, followed through the operations of one run.

A dispatch mode sees every operation with real tensors. Sources belong to memory, so that views
and aliases need no bookkeeping; an operation's result has the sources of all its arguments.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from probgen.errors import ModelError

__all__ = ["Lineage"]

_NONE: frozenset[str] = frozenset()
_aten = torch.ops.aten
_READS = {_aten._local_scalar_dense.default, _aten.equal.default}
# The shape of the result depends on a mask, which may well be data.
_CHOSEN_BY_MASK = {_aten.index.Tensor, _aten.masked_select.default}


class Lineage(TorchDispatchMode):
    """Follows the sources given to tensors by `mark` while it is active.

    Raises `ModelError` naming the sites when the program looks at a marked value in Python, or
    makes a shape depend on one.
    """

    def __init__(self) -> None:
        super().__init__()
        self._sources: dict[int, frozenset[str]] = {}
        self._kept: list[torch.Tensor] = []  # a freed address could be given to another tensor

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # otherwise torch imports its whole compiler around this mode

    def mark(self, tensor: torch.Tensor, sources: frozenset[str]) -> None:
        """Say from which sites `tensor` comes, whatever was known before."""
        self._sources[_address(tensor)] = sources
        self._kept.append(tensor)

    def of(self, tensor: torch.Tensor) -> frozenset[str]:
        """The sites from which `tensor` was computed."""
        return self._sources.get(_address(tensor), _NONE)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run `func` and hand the sources of its arguments on to its results."""
        kwargs = kwargs or {}
        sources = _NONE.union(*map(self.of, _tensors((args, kwargs))))
        if sources:
            self._refuse_unknowable(func, args, sources)
        result = func(*args, **kwargs)
        if sources:
            for tensor in _tensors(result):
                self.mark(tensor, self.of(tensor) | sources)
        return result

    def _refuse_unknowable(self, func: Any, args: tuple, sources: frozenset[str]) -> None:
        if func in _READS or torch.Tag.data_dependent_output in func.tags:
            raise ModelError(_looked_at(sources))
        if torch.Tag.dynamic_output_shape not in func.tags:
            return
        chosen = _tensors(args[1:] if func in _CHOSEN_BY_MASK else args)
        if func is _aten.index.Tensor:
            chosen = (index for index in chosen if index.dtype in (torch.bool, torch.uint8))
        found = _NONE.union(*map(self.of, chosen))
        if found:
            raise ModelError(_looked_at(found))


def _looked_at(sources: frozenset[str]) -> str:
    first, more = min(sources), len(sources) - 1
    others = f" (and {more} more)" if more else ""
    return (
        f"Discrete latent site {first!r}{others} cannot be summed out: the program looks at its "
        "value in Python (an `if`, `.item()`, `int()`, a boolean index), but all its values are "
        "tried at once. Use torch.where and tensor indexing instead (loc[z], "
        "pyro.ops.indexing.Vindex(table)[i, z])."
    )


def _address(tensor: torch.Tensor) -> int:
    try:
        return tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError):  # sparse tensors have no such thing
        return -1


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
