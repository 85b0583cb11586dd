"""What the rest of the house gets of a compiled function: an address, sizes, and calls.

`CompiledDensity` is the log density with its gradient, in the form that samplers take.
`CompiledOutputs` computes everything else of a program for many draws at once. Nobody outside
this package knows that C++ exists.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np

from probgen.compile.blas import calls_blas, single_threaded
from probgen.compile.build import build
from probgen.compile.data import LARGE
from probgen.compile.emit import Emitted, Output, emit
from probgen.compile.ir import View
from probgen.compile.runtime import runtime

__all__ = [
    "CompiledDensity",
    "CompiledOutputs",
    "OutputsSource",
    "density_source",
    "outputs_source",
]

_EXPORT = 'extern "C" __attribute__((visibility("default")))'
_ALIGNMENT = 64
_OUTPUTS_ARGUMENTS = [ctypes.c_void_p, ctypes.c_long, *[ctypes.c_void_p] * 3]


def density_source(views: Mapping[str, View], inputs: int, precision: str = "float64") -> Emitted:
    """C++ of `double value_and_grad(q, grad, context)` from the views "value", "grad:i".

    With `precision` "float32" loops compute in single precision; sums, scalars, q and the
    results stay double.
    """
    outputs, offset = [], 0
    for i in range(inputs):
        gradient = views[f"grad:{i}"]
        outputs.append(Output(gradient, 0, offset))
        offset += int(np.prod(gradient.shape, dtype=int))
    single = precision == "float32"
    emitted = emit("evaluate", outputs, returned=views["value"], single=single)
    text = (
        runtime(emitted.text, single)
        + emitted.text
        + (
            f"{_EXPORT} double value_and_grad(const double* q, double* grad, const void* context)"
            "{double* const out[1]={grad};"
            "return evaluate(q,out,(const void* const*)context);}\n"
        )
    )
    return Emitted(text, emitted.constants)


@dataclass(frozen=True)
class OutputsSource:
    """The text of several functions, each of which computes some of the outputs.

    `parts` has, for each function, its name, the outputs that it computes in their order, and
    the arrays of its constant table.
    """

    text: str
    parts: tuple[tuple[str, tuple[str, ...], list[np.ndarray]], ...]


def outputs_source(
    views: Mapping[str, View], dim: int, few: Collection[str] = ()
) -> OutputsSource:
    """C++ of `void many(q, n, outs, steps, context)`: every view for each of n rows of q.

    Row r of output j is written to outs[j] + r * steps[j]. The outputs named in `few` get a
    function of that name, which does not compute the others.
    """
    wanted = {"many": tuple(views)}
    if 0 < len(few) < len(views):
        wanted["few"] = tuple(name for name in views if name in few)
    bodies, parts = "", []
    for part, names in wanted.items():
        emitted = emit(f"evaluate_{part}", [Output(views[n], j) for j, n in enumerate(names)])
        bodies += emitted.text + _loop(part, len(names), dim)
        parts.append((part, names, emitted.constants))
    return OutputsSource(runtime(bodies) + bodies, tuple(parts))


def _loop(part: str, outputs: int, dim: int) -> str:
    """The function that goes through the rows."""
    return (
        f"{_EXPORT} void {part}(const double* q,long n,double* const* outs,"
        "const long* steps,const void* context){"
        f"for(long r=0;r<n;++r){{double* out[{max(outputs, 1)}];"
        f"for(long j=0;j<{outputs};++j)out[j]=outs[j]+r*steps[j];"
        f"evaluate_{part}(q+r*{dim},out,(const void* const*)context);}}}}\n"
    )


class _Context:
    """The constant table of a function, kept alive with it."""

    def __init__(self, arrays: Sequence[np.ndarray]) -> None:
        self.arrays = [_aligned(array) for array in arrays]
        self.table = (ctypes.c_void_p * max(len(arrays), 1))(
            *(array.ctypes.data for array in self.arrays)
        )
        self.address = ctypes.addressof(self.table)


class CompiledDensity:
    """A compiled log density. `address` and `context` are what a native sampler calls:

    double f(const double* q, double* grad, const void* context)
    """

    def __init__(self, source: Emitted, dim: int, effort: str = "cautious") -> None:
        """`effort` as for `build`: "bold" when the caller compares the results."""
        self.dim = dim
        self.source = source.text
        self._context = _Context(source.constants)
        self._surroundings: Callable[[], AbstractContextManager[None]] = (
            single_threaded if calls_blas(source.constants) else nullcontext
        )
        self._library = build(source.text, "density", effort)
        self._function = self._library.value_and_grad
        self._function.restype = ctypes.c_double
        self._function.argtypes = [ctypes.c_void_p] * 3
        self.address = ctypes.cast(self._function, ctypes.c_void_p).value or 0
        self.context = self._context.address

    def value_and_grad(self, q: np.ndarray) -> tuple[float, np.ndarray]:
        """Log density (nats) at `q` (shape (dim,)) and its gradient."""
        point = np.ascontiguousarray(q, dtype=np.float64)
        gradient = np.empty(self.dim)
        with self._surroundings():
            value = self._function(point.ctypes.data, gradient.ctypes.data, self.context)
        return value, gradient


class CompiledOutputs:
    """Compiled named outputs of a program, for many unconstrained draws at once."""

    def __init__(
        self, source: OutputsSource, shapes: Mapping[str, tuple[int, ...]], dim: int
    ) -> None:
        self.shapes = dict(shapes)
        self.dim = dim
        self._library = build(source.text, "outputs", "cautious")
        self._parts = []
        for part, names, constants in source.parts:
            function = getattr(self._library, part)
            function.restype = None
            function.argtypes = _OUTPUTS_ARGUMENTS
            self._parts.append((function, names, _Context(constants)))

    def __call__(self, q: np.ndarray, without: Collection[str] = ()) -> dict[str, np.ndarray]:
        """Outputs at every row of `q` (shape (n, dim)): name -> array of shape (n, *shape).

        Names that begin with one of `without` are left out, and take no memory per row.
        """
        rows = np.atleast_2d(np.ascontiguousarray(q, dtype=np.float64))
        wanted = {name for name in self.shapes if not name.startswith(tuple(without))}
        function, names, context = next(
            part for part in reversed(self._parts) if wanted <= set(part[1])
        )
        results = {
            name: np.empty((len(rows) if name in wanted else 1, *self.shapes[name]))
            for name in names
        }
        count = max(len(results), 1)
        pointers = (ctypes.c_void_p * count)(*(a.ctypes.data for a in results.values()))
        steps = (ctypes.c_long * count)(
            *(math.prod(self.shapes[name]) if name in wanted else 0 for name in names)
        )
        with single_threaded():
            function(
                rows.ctypes.data,
                len(rows),
                ctypes.addressof(pointers),
                ctypes.addressof(steps),
                context.address,
            )
        return {name: array for name, array in results.items() if name in wanted}


def _aligned(array: np.ndarray) -> np.ndarray:
    """A copy on a cache-line boundary; `LARGE` data as they are."""
    if array.size >= LARGE and array.flags.aligned:
        return array
    memory = np.empty(array.nbytes + _ALIGNMENT, dtype=np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    copy = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy
