"""Leapfrog trajectories of many chains at once: in torch, or in native code over threads.

Positions move in the space of the model, momenta in the one that the metric whitens, where they
are standard normal. Neal (2011), "MCMC using Hamiltonian dynamics", section 2.3.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import Protocol

import torch

from probgen.compile.build import build
from probgen.inference.batched.ensemble import Ensemble
from probgen.inference.batched.metric import Metric
from probgen.targets.batch import BatchedDensity, NativeBatch

__all__ = ["Leapfrog", "NativeLeapfrog", "TorchLeapfrog", "leapfrog_of"]

_SOURCE = """
#include <vector>

typedef double (*Density)(const double*, double*, const void*);

struct Metric {
    long dim, rank;
    const double *scale, *directions, *longer;

    // The directions are orthonormal, so that one after another is as good as all at once.
    void stretch(double* x) const {
        for (long k = 0; k < rank; ++k) {
            const double* along = directions + k * dim;
            double sum = 0;
            for (long i = 0; i < dim; ++i) sum += along[i] * x[i];
            sum *= longer[k];
            for (long i = 0; i < dim; ++i) x[i] += sum * along[i];
        }
    }
};

static void kick(const Metric& m, double half, const double* g, double* p, double* work) {
    for (long i = 0; i < m.dim; ++i) work[i] = m.scale[i] * g[i];
    m.stretch(work);
    for (long i = 0; i < m.dim; ++i) p[i] += half * work[i];
}

static void drift(const Metric& m, double step, const double* p, double* q, double* work) {
    for (long i = 0; i < m.dim; ++i) work[i] = p[i];
    m.stretch(work);
    for (long i = 0; i < m.dim; ++i) q[i] += step * m.scale[i] * work[i];
}

extern "C" __attribute__((visibility("default")))
void leapfrog_rows(Density f, const void* context, long dim, long rank, const double* scale,
                   const double* directions, const double* longer, long n, long steps, double step,
                   double* positions, double* momenta, double* gradients, double* values,
                   long* taken) {
    const Metric metric = {dim, rank, scale, directions, longer};
    std::vector<double> work(dim);
    for (long r = 0; r < n; ++r) {
        double *q = positions + r * dim, *p = momenta + r * dim, *g = gradients + r * dim;
        kick(metric, 0.5 * step, g, p, work.data());
        for (taken[r] = 0; taken[r] < steps;) {
            drift(metric, step, p, q, work.data());
            values[r] = f(q, g, context);
            const bool finite = values[r] - values[r] == 0;
            const bool last = ++taken[r] == steps || !finite;
            kick(metric, last ? 0.5 * step : step, g, p, work.data());
            if (last) break;
        }
    }
}
"""


class Leapfrog(Protocol):
    """Moves an ensemble along Hamiltonian trajectories."""

    batch: BatchedDensity

    def start(self, position: torch.Tensor) -> Ensemble:
        """The ensemble at `position` (chain, dim)."""

    def trajectory(
        self,
        start: Ensemble,
        momentum: torch.Tensor,
        metric: Metric,
        step: float,
        steps: int,
    ) -> tuple[Ensemble, torch.Tensor, torch.Tensor]:
        """`steps` leapfrog steps of size `step` from `start`, whose arrays stay as they are.

        Returns the ends, the momenta there, and the steps that each chain took: fewer where
        the log density stopped being finite.
        """


def leapfrog_of(batch: BatchedDensity) -> Leapfrog:
    """The fastest integrator for a batched density."""
    return NativeLeapfrog(batch) if isinstance(batch, NativeBatch) else TorchLeapfrog(batch)


class TorchLeapfrog:
    """All chains take each step together, on the device of the density."""

    def __init__(self, batch: BatchedDensity) -> None:
        """Gradients come from `batch`."""
        self.batch = batch

    def start(self, position: torch.Tensor) -> Ensemble:
        """The ensemble at `position` (chain, dim)."""
        value, gradient = self.batch.value_and_grad(position)
        return Ensemble(position, gradient, value)

    def trajectory(
        self,
        start: Ensemble,
        momentum: torch.Tensor,
        metric: Metric,
        step: float,
        steps: int,
    ) -> tuple[Ensemble, torch.Tensor, torch.Tensor]:
        """As the protocol says; a chain whose density is not finite is carried along."""
        position, gradient, value = start.position, start.gradient, start.log_density
        momentum = momentum + 0.5 * step * metric.force(gradient)
        for i in range(steps):
            position = position + step * metric.velocity(momentum)
            value, gradient = self.batch.value_and_grad(position)
            share = 0.5 if i + 1 == steps else 1.0
            momentum = momentum + share * step * metric.force(gradient)
        taken = torch.full_like(value, steps, dtype=torch.int64)
        return Ensemble(position, gradient, value), momentum, taken


class NativeLeapfrog(TorchLeapfrog):
    """Every chain runs through its whole trajectory in native code; threads share the chains."""

    batch: NativeBatch

    def trajectory(
        self,
        start: Ensemble,
        momentum: torch.Tensor,
        metric: Metric,
        step: float,
        steps: int,
    ) -> tuple[Ensemble, torch.Tensor, torch.Tensor]:
        """As the protocol says; a trajectory ends where the density is not finite."""
        end = Ensemble(start.position.clone(), start.gradient.clone(), start.log_density.clone())
        momentum, scale = momentum.clone(), metric.scale.contiguous()
        directions, longer = metric.directions.contiguous(), metric.longer.contiguous()
        taken = torch.zeros(len(momentum), dtype=torch.int64)
        native, rows = self.batch.native, _library().leapfrog_rows

        def work(first: int, last: int) -> None:
            rows(
                native.address, native.context, self.batch.dim, len(longer), scale.data_ptr(),
                directions.data_ptr(), longer.data_ptr(), last - first, steps, step,
                end.position[first:].data_ptr(), momentum[first:].data_ptr(),
                end.gradient[first:].data_ptr(), end.log_density[first:].data_ptr(),
                taken[first:].data_ptr(),
            )  # fmt: skip

        self.batch.crew.share(len(momentum), work)
        return end, momentum, taken


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    library = build(_SOURCE, "batched")
    pointer, integer = ctypes.c_void_p, ctypes.c_long
    library.leapfrog_rows.restype = None
    library.leapfrog_rows.argtypes = [
        *[pointer] * 2, *[integer] * 2, *[pointer] * 3, *[integer] * 2, ctypes.c_double,
        *[pointer] * 5,
    ]  # fmt: skip
    return library
