"""A log density seen through a transport: log p(z(u)) + log |det dz/du| as a density of u.

Hoffman, Sountsov, Dillon, Langmore, Tran & Vasudevan (2019), "NeuTra-lizing bad geometry in
Hamiltonian Monte Carlo using neural transport", arXiv:1903.03704. Where the target is native code
the transport is compiled too, so that a native sampler never leaves native code; elsewhere torch
computes it, for many points together where a sampler asks for many.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from probgen.errors import BuildError, UnsupportedOperation
from probgen.inference.flow_assisted.compiled import JoinedDensity
from probgen.inference.method import DensityLike
from probgen.inference.variational.guides.whitened import Whitened
from probgen.targets.batch import BatchedDensity, batch_of

__all__ = ["PulledBack"]

_POINTS, _TOLERANCE = 4, 1e-8


class PulledBack:
    """The density, in nats, of u for a `density` of z = f(u), where f is a `guide`.

    `native` is there when both are compiled and agree with torch; `reason` says why it is not.
    """

    device = "cpu"

    def __init__(self, density: DensityLike, guide: Whitened) -> None:
        """The guide's weights must not change from here on."""
        self.dim, self.coordinate_names = density.dim, density.coordinate_names
        self.traced = InTorch(batch_of(density), guide)
        self.native: JoinedDensity | None = None
        self.reason = "" if density.native else "the density itself is not native code"
        if density.native is None:
            return
        try:
            joined = JoinedDensity(guide, density)
            self.reason = _disagreement(joined, self.traced)
            self.native = None if self.reason else joined
        except (UnsupportedOperation, BuildError) as error:
            self.reason = str(error)

    def value_and_grad(self, q: np.ndarray) -> tuple[float, np.ndarray]:
        """Log density at `q` (dim,) and its gradient."""
        return self.traced.at(q) if self.native is None else self.native.value_and_grad(q)

    def mapped(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates z (chain, draw, dim) of noise, and log |det dz/du| (chain, draw).

        A draw comes out to the same bits, however many there are beside it.
        """
        rows = torch.from_numpy(np.ascontiguousarray(u)).reshape(-1, self.dim)
        if self.native is not None:
            z, log_det = self.native.mapped(rows)
        else:
            z, log_det = self.traced.mapped(rows)
        return z.numpy().reshape(u.shape), log_det.numpy().reshape(u.shape[:-1])


class InTorch:
    """The same by torch: the chain rule through the guide, over gradients of the target."""

    engine = "torch"

    def __init__(self, target: BatchedDensity, guide: Whitened) -> None:
        """`target` may compute anywhere; u and z are on the CPU."""
        self.target, self.guide = target, guide
        self.dim, self.device = target.dim, torch.device("cpu")

    def batch(self, chunk_size: int | None = None, compiled: bool = False) -> InTorch:
        """Many points at once: itself."""
        return self

    def value_and_grad(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """Log densities (n,) in nats and gradients (n, dim) at the rows of `q` (n, dim)."""
        u = q.detach().to(torch.float64).requires_grad_()
        with torch.enable_grad():
            z, log_det = self.guide.forward_map(u)
            value, slope = self.target.value_and_grad(z.detach())
            joined = (slope.to(z) * z).sum() + log_det.sum()
            (gradient,) = torch.autograd.grad(joined, u)
        return value.to(z) + log_det.detach(), gradient

    def at(self, q: np.ndarray) -> tuple[float, np.ndarray]:
        """The same at one point (dim,)."""
        value, gradient = self.value_and_grad(torch.from_numpy(q[None]))
        return float(value[0]), gradient[0].numpy()

    def mapped(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """z and log |det dz/du|, row by row: products of matrices round by their rows' number."""
        if not len(u):
            return u, u.new_zeros(0)
        with torch.no_grad():
            parts = [self.guide.forward_map(row) for row in u.split(1)]
        z, log_det = (torch.cat(column) for column in zip(*parts, strict=True))
        return z, log_det


def _disagreement(joined: JoinedDensity, expected: InTorch) -> str:
    """How native code differs from torch at a few points; empty where it does not."""
    points = np.random.default_rng(20).standard_normal((_POINTS, joined.dim))
    for point in points:
        value, gradient = joined.value_and_grad(point)
        wanted, slope = expected.at(point)
        if not np.isfinite(wanted):
            continue
        error = max(abs(value - wanted) / (1 + abs(wanted)),
                    np.abs(gradient - slope).max() / (1 + np.abs(slope).max()))  # fmt: skip
        if not error <= _TOLERANCE:
            return f"compiled code disagrees with torch by {error:.1e}"
    return ""
