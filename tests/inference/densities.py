"""Densities for sampler tests: written in C++, in Python, or both, without the compiler.

A sampler sees a `DensityLike`. Here one is made from the body of a C function, from a numpy
function, or from both, so that samplers are tested apart from tracing and lowering.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from probgen.compile.build import build

ValueAndGrad = Callable[[np.ndarray], tuple[float, np.ndarray]]

_DOUBLES = ctypes.POINTER(ctypes.c_double)

_PRELUDE = """
#include <chrono>
#include <cmath>
#include <cstddef>
"""

_FUNCTION = """
extern "C" __attribute__((visibility("default")))
double {name}(const double* q, double* grad, const void*) {{
    constexpr size_t dim = {dim};
    {body}
}}
"""


@dataclass(frozen=True)
class Native:
    """Where a compiled density lives."""

    address: int
    context: int = 0


@dataclass
class TestDensity:
    """A log density over `dim` coordinates; counts the calls made from Python."""

    __test__ = False  # not a test class, whatever its name says

    dim: int
    python: ValueAndGrad
    native: Native | None = None
    coordinate_names: list[str] = field(default_factory=list)
    calls: int = 0

    def __post_init__(self) -> None:
        if not self.coordinate_names:
            self.coordinate_names = [f"x[{i}]" for i in range(self.dim)]

    def value_and_grad(self, q: np.ndarray) -> tuple[float, np.ndarray]:
        self.calls += 1
        return self.python(q)


def functions_source(bodies: dict[str, tuple[int, str]]) -> str:
    """C++ text of the functions given as name: (dim, body)."""
    return _PRELUDE + "".join(
        _FUNCTION.format(name=name, dim=dim, body=body) for name, (dim, body) in bodies.items()
    )


def compiled(library: ctypes.CDLL, name: str, dim: int) -> tuple[Native, ValueAndGrad]:
    """The function `name` of a built library: as a sampler and as Python call it."""
    function = library[name]
    function.restype = ctypes.c_double
    function.argtypes = [_DOUBLES, _DOUBLES, ctypes.c_void_p]

    def value_and_grad(q: np.ndarray) -> tuple[float, np.ndarray]:
        position, gradient = np.ascontiguousarray(q, dtype=np.float64), np.empty(dim)
        value = function(
            position.ctypes.data_as(_DOUBLES), gradient.ctypes.data_as(_DOUBLES), None
        )
        return value, gradient

    address = ctypes.cast(function, ctypes.c_void_p).value
    return Native(address or 0), value_and_grad


def native_density(dim: int, body: str) -> TestDensity:
    """A density from the body of a C function of `q`, `grad` and `dim`."""
    library = build(functions_source({"density": (dim, body)}), "test-density")
    native, value_and_grad = compiled(library, "density", dim)
    return TestDensity(dim, value_and_grad, native)
