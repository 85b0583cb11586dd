"""Optimisers of torch by name, or as a function from groups of parameters to one."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim import Optimizer

from probgen.errors import OptionError

__all__ = ["named_optimiser"]

_FUSED = ("sgd", "adam", "adamw", "adagrad")  # on any device


def named_optimiser(
    groups: list[Any], chosen: Any, *, fused: bool = False, **settings: Any
) -> Optimizer:
    """An optimiser of groups of parameters; its learning rate is set by the loop.

    `chosen` is the name of a class of `torch.optim`, in any case, whose arguments `settings`
    are, or a function from groups to an optimiser. `fused` takes one pass over all parameters
    where torch has it, which is faster and rounds otherwise. Raises `OptionError`.
    """
    if callable(chosen):
        optimiser = chosen(groups)
        if not isinstance(optimiser, Optimizer):
            raise OptionError(f"optimiser={chosen!r} gave {optimiser!r}, not a torch optimiser.")
        return optimiser
    known: dict[str, Any] = {
        name.lower(): value
        for name, value in vars(torch.optim).items()
        if isinstance(value, type) and issubclass(value, Optimizer) and value is not Optimizer
    }
    name = str(chosen).lower()
    if name not in known:
        raise OptionError(f"optimiser={chosen!r} must be one of {', '.join(sorted(known))}.")
    if fused and name in _FUSED:
        settings = {"fused": True, **settings}
    return known[name](groups, **settings)
