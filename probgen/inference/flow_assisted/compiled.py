"""A transport as native code, joined to a native density: what native samplers are handed.

The transport is traced and compiled as a program is. Its weights are data of the compiled
function, not of its text, so that one build serves every flow of the same shape.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from probgen.compile.build import build
from probgen.compile.function import CompiledDensity, density_source
from probgen.compile.lower import lower
from probgen.compile.trace import trace_with_gradient
from probgen.inference.method import DensityLike, NativeFunction
from probgen.inference.variational.guides.whitened import Whitened
from probgen.targets.batch import batch_of

__all__ = ["JoinedDensity"]

# The map writes z and returns log |det dz/du|; the target gives the slope w there; the pull
# writes the gradient of w . z(u) + log |det dz/du| for that w, as the chain rule wants it.
_SOURCE = """
#include <limits>
#include <vector>

typedef double (*Function)(const double*, double*, const void*);

struct Parts {
    long dim;
    Function map; const void* map_context;
    Function target; const void* target_context;
    Function pull; const void* pull_context;
};

extern "C" __attribute__((visibility("default")))
double pulled_back(const double* u, double* grad, const void* context) {
    const Parts& parts = *(const Parts*)context;
    const long dim = parts.dim;
    std::vector<double> work(3 * dim);
    double *z = work.data(), *place = z + dim, *slope = place + dim;
    const double log_det = parts.map(u, z, parts.map_context);
    const double value = parts.target(z, slope, parts.target_context);
    if (!(value - value == 0)) {
        for (long i = 0; i < dim; ++i) grad[i] = std::numeric_limits<double>::quiet_NaN();
        return value;
    }
    for (long i = 0; i < dim; ++i) place[i] = u[i];
    parts.pull(place, grad, parts.pull_context);
    return value + log_det;
}
"""


class _Parts(ctypes.Structure):
    _fields_ = [
        ("dim", ctypes.c_long),
        *[(name, ctypes.c_void_p) for name in (
            "map", "map_context", "target", "target_context", "pull", "pull_context",
        )],
    ]  # fmt: skip


class JoinedDensity:
    """log p(z(u)) + log |det dz/du| in native code; `address` and `context` as samplers want.

    Raises `UnsupportedOperation` for a transport that cannot be traced or lowered, `BuildError`
    without a compiler.
    """

    def __init__(self, guide: Whitened, density: DensityLike) -> None:
        """`density.native` must be there; the guide's weights are copied."""
        native = density.native
        assert native is not None
        self.dim = density.dim
        self._map, self._pull = _compiled(guide)
        self._kept = density
        self._parts = _Parts(
            self.dim, self._map.address, self._map.context, native.address, native.context,
            self._pull.address, self._pull.context,
        )  # fmt: skip
        self._function = _library().pulled_back
        self.address = ctypes.cast(self._function, ctypes.c_void_p).value or 0
        self.context = ctypes.addressof(self._parts)

    def value_and_grad(self, q: np.ndarray) -> tuple[float, np.ndarray]:
        """Log density (nats) at `q` (dim,) and its gradient."""
        point, gradient = np.ascontiguousarray(q, dtype=np.float64), np.empty(self.dim)
        value = self._function(point.ctypes.data, gradient.ctypes.data, self.context)
        return value, gradient

    def mapped(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """z (n, dim) and log |det dz/du| (n,) at the rows of `u`; each depends on itself alone."""
        log_det, z = batch_of(_Rows(self.dim, self._map)).value_and_grad(u)
        return z, log_det


@dataclass
class _Rows:
    """A compiled function as the batched evaluation of densities wants it."""

    dim: int
    native: NativeFunction


def _compiled(guide: Whitened) -> tuple[CompiledDensity, CompiledDensity]:
    """The map and the pull of `_SOURCE`."""
    dim = guide.dim

    def function(u: Tensor, slope: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        z, log_det = guide.forward_map(u[None])
        return (slope * z[0]).sum() + log_det[0], {"z": z[0], "log_det": log_det[0]}

    examples = torch.linspace(-1.0, 1.0, 2 * dim, dtype=torch.float64).split(dim)
    views = lower(trace_with_gradient(function, examples))
    sources = (
        density_source({"value": views["log_det"], "grad:0": views[name]}, 1)
        for name in ("z", "grad:0")
    )
    of_map, of_pull = (CompiledDensity(source, dim, "bold") for source in sources)
    return of_map, of_pull


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    library = build(_SOURCE, "pullback")
    library.pulled_back.restype = ctypes.c_double
    library.pulled_back.argtypes = [ctypes.c_void_p] * 3
    return library
