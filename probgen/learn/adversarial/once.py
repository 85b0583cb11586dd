"""Layers that critic and guide share are computed once for the same values.

A critic that scores and a guide that reads codes are often two heads on one body. Within a turn
of a player, whose weights do not change meanwhile, a shared layer that is called again with the
values it was called with before gives what it gave.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

__all__ = ["Once", "calls", "outermost"]


class Once:
    """A context in which each of some modules answers a repeated call from memory.

    Tensors are the same where they are the same memory, shape and version, and either both need
    gradients or neither does. What an answer was drawn by is part of it: the heads see one mask of
    a shared dropout layer, and running statistics of batch normalisation follow the values once.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self._modules = list(modules)
        # with the tensor, so that it stays alive and no other takes its memory
        self._kept: dict[Any, tuple[Tensor, Any]] = {}
        self._own: list[Any] = []

    def __enter__(self) -> None:
        self._own = [module.__dict__.get("forward") for module in self._modules]
        for module in self._modules:
            module.__dict__["forward"] = functools.partial(self._answer, module, module.forward)

    def __exit__(self, *error: object) -> None:
        for module, own in zip(self._modules, self._own, strict=True):
            del module.__dict__["forward"]
            if own is not None:  # a wrapper had replaced the class's
                module.__dict__["forward"] = own
        self._kept.clear()

    def _answer(
        self, module: nn.Module, forward: Callable[..., Any], *given: Any, **named: Any
    ) -> Any:
        if named or len(given) != 1 or not isinstance(given[0], Tensor):
            return forward(*given, **named)
        value = given[0]
        key = (
            id(module), value.data_ptr(), value.shape, value.stride(), value.dtype,
            value._version, value.requires_grad, torch.is_grad_enabled(),
        )  # fmt: skip
        if key not in self._kept:
            self._kept[key] = value, forward(value)
        return self._kept[key][1]


@contextmanager
def calls() -> Iterator[set[nn.Module]]:
    """The modules that are called meanwhile."""
    called: set[nn.Module] = set()

    def note(module: nn.Module, given: Any) -> None:
        called.add(module)

    hook = register_module_forward_pre_hook(note)
    try:
        yield called
    finally:
        hook.remove()


def outermost(modules: set[nn.Module]) -> list[nn.Module]:
    """Those of some modules that are in none of the others."""
    inner = {part for module in modules for part in module.modules() if part is not module}
    return [module for module in modules if module not in inner]
