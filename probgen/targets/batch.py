"""Any density over many points at once: what samplers that move all chains together take.

`batch_of` finds the fastest way: native code over threads, the traced graph batched in torch on
any device, or a loop in Python over a density that knows nothing else.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import torch

from probgen.compile.build import build
from probgen.errors import BuildError, OptionError
from probgen.targets.density import Density, check_device
from probgen.targets.traced import TracedDensity

__all__ = ["BatchedDensity", "LoopedBatch", "NativeBatch", "batch_of", "slices"]

_SOURCE = """
extern "C" __attribute__((visibility("default")))
void evaluate_rows(double (*f)(const double*, double*, const void*), const void* context, long dim,
                   long n, const double* q, double* values, double* gradients) {
    for (long r = 0; r < n; ++r) values[r] = f(q + r * dim, gradients + r * dim, context);
}
"""


class BatchedDensity(Protocol):
    """A log density over many unconstrained points; tensors live on `device`, in doubles."""

    @property
    def dim(self) -> int:
        """Number of unconstrained coordinates."""

    @property
    def device(self) -> torch.device:
        """Where points are taken and results are given."""

    @property
    def engine(self) -> str:
        """ "native", "torch" or "python"."""

    def value_and_grad(self, q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log densities (n,) in nats and gradients (n, dim) at the rows of `q` (n, dim)."""


def batch_of(
    density: Any,
    device: str = "auto",
    *,
    threads: int = 1,
    chunk_size: int | None = None,
    compiled: bool = False,
) -> BatchedDensity:
    """A density (anything `DensityLike`) over many points at once.

    `device` "auto" is the density's own. `threads` share the points of native code, which gives
    the same numbers for any number of them. A traced density computes `chunk_size` points
    together, by default as many as caches or memory suffice for, and with `compiled` through
    torch's own compiler, which takes seconds per size of a batch and needs one on the machine.

    Raises `OptionError` for a device that is not there or that this density cannot use.
    """
    own = getattr(density, "device", "cpu")
    wanted = own if device == "auto" else device
    if wanted != "cpu":
        check_device(wanted)
    if wanted == "cpu" and density.native is not None:
        with suppress(BuildError):  # a function that was compiled elsewhere
            return NativeBatch(density, threads)
    traced: TracedDensity | None = getattr(density, "traced", None)
    if wanted != own:
        traced = _moved(density, wanted)
    return traced.batch(chunk_size, compiled) if traced else LoopedBatch(density)


def _moved(density: Any, device: str) -> TracedDensity:
    if not isinstance(density, Density) or density.backend not in ("native", "torch"):
        raise OptionError(
            f"device={device!r}: only a program that can be traced runs there; this density runs "
            "on the CPU."
        )
    return TracedDensity(density.trace(), density.precision, device)


class NativeBatch:
    """Native code over the rows of a batch, shared by threads."""

    engine = "native"

    def __init__(self, density: Any, threads: int = 1) -> None:
        """`density.native` must be there; raises `BuildError` without a compiler."""
        self.dim, self.device = int(density.dim), torch.device("cpu")
        self.native, self._keep = density.native, density
        self.crew = Crew(threads)
        self._rows = _library().evaluate_rows

    def value_and_grad(self, q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log densities (n,) in nats and gradients (n, dim) at the rows of `q` (n, dim)."""
        points = q.detach().to("cpu", torch.float64).contiguous()
        values, gradients = points.new_empty(len(points)), torch.empty_like(points)

        def work(start: int, stop: int) -> None:
            self._rows(
                self.native.address, self.native.context, self.dim, stop - start,
                points[start:].data_ptr(), values[start:].data_ptr(),
                gradients[start:].data_ptr(),
            )  # fmt: skip

        self.crew.share(len(points), work)
        return values, gradients


class LoopedBatch:
    """Any density, one point after another, in Python."""

    engine = "python"

    def __init__(self, density: Any) -> None:
        """A batch over `density.value_and_grad`."""
        self.dim, self.device = int(density.dim), torch.device("cpu")
        self._density = density

    def value_and_grad(self, q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log densities (n,) in nats and gradients (n, dim) at the rows of `q` (n, dim)."""
        rows = q.detach().to("cpu", torch.float64).numpy()
        values, gradients = np.empty(len(rows)), np.empty((len(rows), self.dim))
        for r, row in enumerate(rows):
            values[r], gradients[r] = self._density.value_and_grad(row)
        return torch.from_numpy(values), torch.from_numpy(gradients)


class Crew:
    """Threads that share the rows of a batch; native code lets them run in parallel."""

    def __init__(self, threads: int) -> None:
        """With one thread, work is done by the caller."""
        self.threads = max(1, threads)
        self._pool = ThreadPoolExecutor(self.threads, "probgen-batch") if threads > 1 else None

    def share(self, count: int, work: Callable[[int, int], None]) -> None:
        """Call `work(start, stop)` for ranges that make up `range(count)`."""
        if self._pool is None or count < 2:
            work(0, count)
            return
        jobs = [self._pool.submit(work, *ends) for ends in slices(count, 4 * self.threads)]
        try:
            for job in jobs:
                job.result()
        finally:  # an interrupt must not free memory that threads still write to
            for job in jobs:
                job.cancel()
            wait(jobs)


def slices(count: int, parts: int) -> Iterator[tuple[int, int]]:
    """About `parts` ranges of nearly equal length that make up `range(count)`."""
    parts = min(parts, count)
    for part in range(parts):
        yield part * count // parts, (part + 1) * count // parts


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    library = build(_SOURCE, "batch")
    library.evaluate_rows.restype = None
    library.evaluate_rows.argtypes = [
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_long, ctypes.c_long,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
    ]  # fmt: skip
    return library
