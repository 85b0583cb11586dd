"""The surroundings in which probgen runs a Pyro program, all put back afterwards.

A density is evaluated in float64 with validation off, parameters fixed, and without touching
the user's random state or parameter store. Everything here is a context manager.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pyro
import torch
from pyro.poutine.indep_messenger import IndepMessenger
from pyro.poutine.messenger import Messenger
from torch.overrides import TorchFunctionMode

__all__ = ["DoublePrecision", "FixParameters", "double_precision", "isolated", "tracing"]

_LOW_PRECISION = (torch.float32, torch.float16, torch.bfloat16)


def _widen(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.double() if value.dtype in _LOW_PRECISION else value
    if isinstance(value, torch.dtype):
        return torch.float64 if value in _LOW_PRECISION else value
    if type(value) in (tuple, list):
        return type(value)(_widen(item) for item in value)
    return value


class DoublePrecision(TorchFunctionMode):
    """Widens every low-precision tensor and dtype that reaches a torch function to float64.

    A program written in float32 (its data, constants, network weights) is so evaluated in
    float64 without a change. Tensors written in place keep their own dtype: a copy would lose
    the write. `widened` says whether anything had to be widened.
    """

    def __init__(self) -> None:
        super().__init__()
        self.widened = False

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Call `func` with its floating-point arguments widened."""
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name == "float" and args and isinstance(args[0], torch.Tensor):
            return args[0].double()
        in_place = name == "__setitem__" or (name.endswith("_") and not name.endswith("__"))
        if name in ("__get__", "__set__", "requires_grad_", "detach"):
            return func(*args, **kwargs)
        kept = args[:1] if in_place else ()
        wide = kept + tuple(_widen(item) for item in args[len(kept) :])
        wide_kwargs = {key: _widen(item) for key, item in kwargs.items()}
        self.widened |= any(a is not b for a, b in zip(args, wide, strict=True) if _is_data(a))
        return func(*wide, **wide_kwargs)


def _is_data(value: Any) -> bool:
    return isinstance(value, torch.Tensor)


class FixParameters(Messenger):
    """Parameters (`pyro.param`, modules) are constants of the density: no gradient flows."""

    def _pyro_post_param(self, msg: dict[str, Any]) -> None:
        if isinstance(msg["value"], torch.Tensor):
            msg["value"] = msg["value"].detach()


@contextlib.contextmanager
def double_precision(enabled: bool = True) -> Iterator[DoublePrecision]:
    """float64 as torch's default dtype, and low-precision tensors widened on use."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    mode = DoublePrecision()
    try:
        with mode if enabled else contextlib.nullcontext():
            yield mode
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def isolated(seed: int | None = None) -> Iterator[None]:
    """Leave torch's random state and Pyro's parameter store as they were found."""
    store = pyro.get_param_store()
    known = set(store.keys())
    with torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.manual_seed(seed)
        try:
            yield
        finally:
            for name in set(store.keys()) - known:
                del store[name]


@contextlib.contextmanager
def tracing() -> Iterator[None]:
    """Validation off everywhere, also in distributions built with `validate_args=True`.

    Validation asks for the truth value of tensors, which no tracer can follow, and costs more
    than the density itself; the declaration is validated once before.
    """
    Distribution = torch.distributions.Distribution
    build, iterate = Distribution.__init__, IndepMessenger.__iter__

    def build_unchecked(self, batch_shape=(), event_shape=(), validate_args=None):
        build(self, torch.Size(batch_shape), torch.Size(event_shape), validate_args=False)

    def iterate_integers(self):
        # A sequential plate calls `.item()` on its indices, which a traced tensor has not.
        if self.subsample_size == self.size:
            self._indices = range(self.size)
        yield from iterate(self)

    with pyro.validation_enabled(False):
        Distribution.__init__ = build_unchecked
        IndepMessenger.__iter__ = iterate_integers
        try:
            yield
        finally:
            Distribution.__init__ = build
            IndepMessenger.__iter__ = iterate
