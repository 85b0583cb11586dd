"""A function compiled by numba behind the C signature that the native samplers call.

Numba compiles a small wrapper that cuts the flat vector into the sites' arrays, calls the
user's function and stores its gradient; data become constants of the wrapper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from probgen.declare.logdensity import LogDensity, SiteSpace

__all__ = ["ExternalFunction", "is_numba", "native_function"]


@dataclass(frozen=True)
class ExternalFunction:
    """A C function made elsewhere: `double f(const double*, double*, const void*)`."""

    address: int
    context: int
    owner: Any
    """What the address belongs to; it must stay alive."""


def is_numba(function: Any) -> bool:
    """Whether `function` was compiled by `numba.njit`."""
    return hasattr(function, "py_func") and hasattr(function, "nopython_signatures")


def native_function(declared: LogDensity, data: Mapping[str, Any], dim: int) -> ExternalFunction:
    """The callable of `declared` (all sites real) as a C function of the flat vector."""
    import numba

    constants = [data[n] for n in declared.__signature__.parameters if n in data]
    names = {f"d{i}": _plain(value) for i, value in enumerate(constants)}
    scope = {"np": np, "carray": numba.carray, "function": declared.function, **names}
    exec(_wrapper(list(declared.sites.values()), list(names), dim), scope)
    pointer = numba.types.CPointer(numba.types.float64)
    signature = numba.types.float64(pointer, pointer, numba.types.voidptr)
    compiled = numba.cfunc(signature)(scope["call"])
    return ExternalFunction(compiled.address, 0, compiled)


def _wrapper(spaces: list[SiteSpace], constants: list[str], dim: int) -> str:
    """Python text of the wrapper; it holds shapes and offsets, nothing that a user wrote."""
    reads, stores, start = [], [], 0
    for i, space in enumerate(spaces):
        stop = start + int(np.prod(space.shape, dtype=int))
        part = f"gradient[{i}]" if len(spaces) > 1 else "gradient"
        if space.shape:
            shape = f".reshape({space.shape})" if len(space.shape) > 1 else ""
            reads.append(f"    a{i} = x[{start}:{stop}]{shape}")
            stores.append(f"    g[{start}:{stop}] = np.ascontiguousarray({part}).reshape(-1)")
        else:
            reads.append(f"    a{i} = x[{start}]")
            stores.append(f"    g[{start}] = {part}")
        start = stop
    arguments = ", ".join([*(f"a{i}" for i in range(len(spaces))), *constants])
    lines = [
        "def call(q, gradient_out, context):",
        f"    x = carray(q, ({dim},))",
        f"    g = carray(gradient_out, ({dim},))",
        *reads,
        f"    value, gradient = function({arguments})",
        *stores,
        "    return value",
    ]
    return "\n".join(lines)


def _plain(value: Any) -> Any:
    return value.numpy() if isinstance(value, torch.Tensor) else value
