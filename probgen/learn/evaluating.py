"""Modules in their mode for evaluation for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

__all__ = ["evaluating"]


@contextmanager
def evaluating(*programs: Any, gradients: bool = False) -> Iterator[None]:
    """Modules in their mode for evaluation, so that running statistics stay; no gradients unless
    asked for.

    The mode of every part is put back as it was, that of a part that is never trained, too.
    Programs that are no modules are left alone.
    """
    modules = [program for program in programs if isinstance(program, nn.Module)]
    modes = [(part, part.training) for module in modules for part in module.modules()]
    for module in modules:
        module.eval()
    try:
        with torch.set_grad_enabled(torch.is_grad_enabled() and gradients):
            yield
    finally:
        for part, mode in modes:
            part.training = mode
