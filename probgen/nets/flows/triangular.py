"""The affine transform with a lower triangular matrix: a flow of it alone is a full normal."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Transform, constraints
from zuko.lazy import LazyTransform
from zuko.nn import MLP

__all__ = ["Triangular"]


class Triangular(LazyTransform):
    """z = L^-1 (x - m), where m and L, with a positive diagonal, are parameters or f(context).

    The diagonal of L is exp of what is learned, so that no covariance is singular.
    """

    def __init__(self, features: int, context: int = 0, **network: Any) -> None:
        super().__init__()
        self.features = features
        self.register_buffer("below", torch.tril_indices(features, features, -1))
        count = 2 * features + features * (features - 1) // 2
        if context:
            self.hyper = MLP(context, count, **network)
        else:
            self.phi = nn.Parameter(torch.zeros(count))

    def forward(self, c: Tensor | None = None) -> Transform:
        """The transform given a context, (..., context)."""
        phi = self.phi if c is None else self.hyper(c)
        n = self.features
        location, log_scale, rest = phi.split([n, n, phi.shape[-1] - 2 * n], -1)
        matrix = log_scale.exp().diag_embed()
        matrix = matrix.index_put(self._places(matrix), rest) if n > 1 else matrix
        return _Whitening(location, matrix, log_scale)

    def _places(self, matrix: Tensor) -> tuple[Any, ...]:
        row, column = self.below
        if matrix.dim() == 2:
            return row, column
        batch = torch.meshgrid(*(torch.arange(s) for s in matrix.shape[:-2]), indexing="ij")
        return (*(b[..., None].to(row.device) for b in batch), row, column)


class _Whitening(Transform):
    """z = L^-1 (x - m)."""

    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True

    def __init__(self, location: Tensor, matrix: Tensor, log_scale: Tensor) -> None:
        super().__init__()
        self.location, self.matrix, self.log_scale = location, matrix, log_scale

    def _call(self, x: Tensor) -> Tensor:
        centred = (x - self.location).unsqueeze(-1)
        if self.matrix.dim() == 2 and x.dim() > 1:  # one solve for all rows
            flat = centred.reshape(-1, x.shape[-1]).T
            solved = torch.linalg.solve_triangular(self.matrix, flat, upper=False)
            return solved.T.reshape(x.shape)
        return torch.linalg.solve_triangular(self.matrix, centred, upper=False).squeeze(-1)

    def _inverse(self, z: Tensor) -> Tensor:
        return (self.matrix @ z.unsqueeze(-1)).squeeze(-1) + self.location

    def log_abs_det_jacobian(self, x: Tensor, z: Tensor) -> Tensor:
        return -self.log_scale.sum(-1).expand(x.shape[:-1])
