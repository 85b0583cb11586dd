"""The surroundings in which probgen runs a Pyro program, all put back afterwards.

A density is evaluated in float64 with validation off, parameters fixed, and without touching
the user's random state or parameter store. Everything here is a context manager.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyro
import torch
from pyro.distributions import hmm
from pyro.distributions.transforms import discrete_cosine
from pyro.poutine.indep_messenger import IndepMessenger
from pyro.poutine.messenger import Messenger
from torch.overrides import TorchFunctionMode

from probgen.declare.cosine import dct, idct

__all__ = [
    "DoublePrecision",
    "FixParameters",
    "double_precision",
    "isolated",
    "tracing",
    "validating",
]

_SEEDS = 2**32  # as many as NumPy's global generator takes

_TURN = threading.RLock()
"""Held while a program runs: Pyro's handlers, random states and torch's default dtype are the
process's, and a run in the background has programs run on a thread of its own."""
if hasattr(os, "register_at_fork"):  # a child has no thread that would let go of it
    os.register_at_fork(after_in_child=lambda: globals().update(_TURN=threading.RLock()))

_LOW_PRECISION = (torch.float32, torch.float16, torch.bfloat16)
_NARROWING = ("float", "half", "bfloat16")
# A copy of a widened temporary would be kept under the temporary's address, which is soon
# another tensor's.
_KEPT = ("__get__", "__set__", "requires_grad_", "detach", "__deepcopy__")


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
        if name in _NARROWING and args and isinstance(args[0], torch.Tensor):
            self.widened = True
            return args[0].double()
        if name in _KEPT:
            return func(*args, **kwargs)
        in_place = name == "__setitem__" or (name.endswith("_") and not name.endswith("__"))
        kept = args[:1] if in_place else ()
        wide = kept + tuple(self._widen(item) for item in args[len(kept) :])
        return func(*wide, **{key: self._widen(item) for key, item in kwargs.items()})

    def _widen(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            if value.dtype in _LOW_PRECISION:
                self.widened = True
                return value.double()
        elif isinstance(value, torch.dtype):
            if value in _LOW_PRECISION:
                self.widened = True
                return torch.float64
        elif type(value) in (tuple, list):
            return type(value)(self._widen(item) for item in value)
        return value


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
    """Leave the random state and Pyro's parameter store as they were found.

    With a seed, any integer, torch (on a GPU, too), NumPy and `random` start from it; without,
    only torch's state is kept, since a density is evaluated thousands of times and draws nothing.
    """
    store = pyro.get_param_store()
    known = set(store.keys())
    # a seed is every device's
    seeded = seed is not None and torch.cuda.is_initialized()
    devices = list(range(torch.cuda.device_count())) if seeded else []
    with torch.random.fork_rng(devices=devices), _other_random_states(seed):
        if seed is not None:
            pyro.set_rng_seed(seed % _SEEDS)
        try:
            yield
        finally:
            for name in set(store.keys()) - known:
                del store[name]


@contextlib.contextmanager
def _other_random_states(seed: int | None) -> Iterator[None]:
    if seed is None:
        yield
        return
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextlib.contextmanager
def tracing() -> Iterator[None]:
    """Everything in a form that a tracer can follow, and with validation off.

    Validation asks for the truth value of tensors, also in distributions that were built with
    it on, and costs more than the density itself; the declaration is validated once before.
    Attention is computed by its definition, cosine transforms by a matrix. Threads take turns.
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

    with _TURN, pyro.validation_enabled(False), contextlib.ExitStack() as replaced:
        replaced.enter_context(_attribute(Distribution, "__init__", build_unchecked))
        replaced.enter_context(_attribute(IndepMessenger, "__iter__", iterate_integers))
        for kind in (Distribution, hmm.HiddenMarkovModel):
            replaced.enter_context(_attribute(kind, "_validate_sample", _accept))
        for name, transform in (("dct", dct), ("idct", idct)):
            replaced.enter_context(_attribute(discrete_cosine, name, transform))
        replaced.enter_context(_plain_attention())
        yield


def _accept(distribution: Any, value: Any) -> None:
    """In place of a distribution's look at a value."""


@contextlib.contextmanager
def _attribute(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextlib.contextmanager
def _plain_attention() -> Iterator[None]:
    """Attention as matrix products: the fused kernel has one derivative only, and no rule."""
    fused = torch.backends.cuda.flash_sdp_enabled()  # on the processor, too
    torch.backends.cuda.enable_flash_sdp(False)
    try:
        yield
    finally:
        torch.backends.cuda.enable_flash_sdp(fused)


@contextlib.contextmanager
def validating() -> Iterator[None]:
    """Pyro's validation on everywhere, its remarks about undeclared constraints left out."""
    with _TURN, pyro.validation_enabled(True), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
