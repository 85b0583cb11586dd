"""The torch backend: a traced program evaluated by torch, one point at a time or many at once.

Serves where there is no compiler or an operation has no lowering rule, and on other devices.
Three to five times faster per point than running the program; over a batch of points an
operation costs little more than for one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from probgen.compile.trace import TracedGraph
from probgen.targets.batched_graph import Batched, batched, captured, sizes_of
from probgen.targets.graph_module import density_module, outputs_module

__all__ = ["BatchedTrace", "TracedDensity"]

DTYPES = {"float64": torch.float64, "float32": torch.float32}

_CACHE_ELEMENTS = 2**19
"""Elements of the largest intermediate result of a chunk on the CPU, so that caches serve."""
_FEWEST_POINTS = 16
_MOST_ELEMENTS = 2**26
_MEMORY_SHARE = 0.25
"""Part of a device's free memory that one chunk may take."""
_KEPT_SIZES = 8


@contextmanager
def _whole_numbers_to(dtype: torch.dtype) -> Iterator[None]:
    """What torch makes of whole numbers times a fraction: its default type, at the recording."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


class TracedDensity:
    """A traced log density with its gradient and outputs, evaluated by torch."""

    def __init__(self, traced: TracedGraph, precision: str = "float64", device: str = "cpu"):
        """Inside, everything is computed in `precision` on `device`; in and out are doubles."""
        self.dtype, self.device = DTYPES[precision], torch.device(device)
        self.dim = sum(node.example.numel() for node in traced.inputs)
        self.module = density_module(traced, self.dtype, device)
        self._outputs, self._names = outputs_module(traced, self.dtype, device)

    @property
    def source(self) -> str:
        """The function as Python text."""
        return self.module.code.strip()

    def value_and_grad(self, q: np.ndarray) -> tuple[float, np.ndarray]:
        """Log density (nats) at `q` (shape (dim,)) and its gradient."""
        with torch.no_grad(), _whole_numbers_to(self.dtype):
            value, gradient = self.module(self._placed(q))
        # Copied: a gradient may be a constant of the graph.
        return float(value), gradient.to("cpu", torch.float64, copy=True).numpy()

    def outputs(self, q: np.ndarray, without: Collection[str] = ()) -> dict[str, np.ndarray]:
        """Named outputs at every row of `q` (n, dim): arrays (n, *shape).

        Names that begin with one of `without` are left out.
        """
        rows = self._placed(np.atleast_2d(q)).reshape(-1, self.dim)
        if not len(rows):
            single = self.outputs(np.zeros((1, self.dim)), without)
            return {name: array[:0] for name, array in single.items()}
        kept = [i for i, name in enumerate(self._names) if not name.startswith(tuple(without))]
        size = points_at_once(self._outputs, rows[0], len(rows))
        parts = []
        with torch.no_grad(), _whole_numbers_to(self.dtype):
            function, _ = batched(self._outputs, rows[:size])
            for chunk in rows.split(size):
                if len(chunk) < size:
                    function, _ = batched(self._outputs, chunk)
                results = function(chunk)
                parts.append([results[i].to("cpu", torch.float64) for i in kept])
        columns = (torch.cat(column).numpy() for column in zip(*parts, strict=True))
        return dict(zip((self._names[i] for i in kept), columns, strict=True))

    def batch(self, chunk_size: int | None = None, compiled: bool = False) -> BatchedTrace:
        """The density over many points at once."""
        return BatchedTrace(self, chunk_size, compiled)

    def _placed(self, q: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.array(q, dtype=np.float64)).to(self.device, self.dtype)


class BatchedTrace:
    """A traced log density over a batch of points; `device` is where it computes."""

    engine = "torch"

    def __init__(self, density: TracedDensity, chunk_size: int | None, compiled: bool) -> None:
        """`compiled` has torch's own compiler fuse the operations (seconds per batch size)."""
        self.dim, self.device = density.dim, density.device
        self._density, self._chunk_size, self._compiled = density, chunk_size, compiled
        self._functions: OrderedDict[int, Batched] = OrderedDict()
        self.how: str = ""

    def value_and_grad(self, q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log densities (n,) in nats and gradients (n, dim) at the rows of `q` (n, dim)."""
        points = q.detach().to(self.device, self._density.dtype)
        if not len(points):
            return q.new_zeros(0), q.new_zeros((0, self.dim))
        size = self._chunk_size or points_at_once(self._density.module, points[0], len(points))
        self._chunk_size = size
        with torch.no_grad(), _whole_numbers_to(self._density.dtype):
            parts = [self._function(chunk)(chunk) for chunk in points.split(size)]
        values, gradients = (torch.cat(column) for column in zip(*parts, strict=True))
        return values.to(q.dtype), gradients.to(q.dtype)

    def _function(self, example: torch.Tensor) -> Batched:
        count = len(example)
        if count in self._functions:
            self._functions.move_to_end(count)
            return self._functions[count]
        function, self.how = batched(self._density.module, example)
        if self._compiled and self.how == "recorded":
            function, self.how = _fused(function, example), "fused"
        if self.device.type == "cuda":
            function = captured(function, example)
        self._functions[count] = function
        while len(self._functions) > _KEPT_SIZES:
            self._functions.popitem(last=False)
        return function


def points_at_once(module: Batched, example: torch.Tensor, count: int) -> int:
    """How many of `count` points to compute together, so that caches or memory suffice."""
    sizes = sizes_of(module, example)
    if example.device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(example.device)
        fitting = int(_MEMORY_SHARE * free / (max(sizes.total, 1) * example.element_size()))
    else:
        largest = max(sizes.largest, 1)
        fitting = max(_CACHE_ELEMENTS // largest, min(_FEWEST_POINTS, _MOST_ELEMENTS // largest))
    return max(1, min(count, fitting))


def _fused(function: Any, example: torch.Tensor) -> Batched:
    from torch._inductor import compile as fuse

    return fuse(function, [example])
