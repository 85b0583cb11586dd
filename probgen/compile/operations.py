"""Operations of our own, where torch's derivative would compile to something slow.

Torch differentiates a running product through a dozen masks and gathers (its answer to zeros).
While a program is traced, `cumprod` is replaced by one whose derivative is a single operation.
"""

from __future__ import annotations

from typing import Any

import torch

from probgen.compile.cholesky import FACTORISATIONS
from probgen.compile.interceptions import INTERCEPTED

__all__ = ["CUMPROD_BACKWARD", "REPLACED"]

_library = torch.library.Library("probgen", "DEF")
_library.define("cumprod_backward(Tensor grad, Tensor x, int dim) -> Tensor")


@torch.library.impl(_library, "cumprod_backward", "CompositeExplicitAutograd")
def _cumprod_backward(grad: torch.Tensor, x: torch.Tensor, dim: int) -> torch.Tensor:
    """Sum over j >= i of grad[j] times the product of x[..j] without x[i]."""
    if not x.dim():
        return grad
    weight, factors = grad.movedim(dim, 0), x.movedim(dim, 0)
    before = torch.cat([torch.ones_like(factors[:1]), factors[:-1].cumprod(0)])
    after, rows = torch.zeros_like(factors[0]), []
    for i in reversed(range(len(factors))):
        after = weight[i] + (factors[i + 1] * after if i + 1 < len(factors) else 0.0)
        rows.append(before[i] * after)
    return torch.stack(rows[::-1]).movedim(0, dim)


CUMPROD_BACKWARD = torch.ops.probgen.cumprod_backward.default


class _CumulativeProduct(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: torch.Tensor, dim: int) -> torch.Tensor:
        return torch.ops.aten.cumprod.default(x, dim)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: torch.Tensor) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.dim = inputs[1]

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        (x,) = ctx.saved_tensors
        return CUMPROD_BACKWARD(grad, x, ctx.dim), None


def _cumprod(x: torch.Tensor, dim: int, **options: Any) -> torch.Tensor:
    if options or not x.is_floating_point():
        return torch.ops.aten.cumprod.default(x, dim, **options)
    return _CumulativeProduct.apply(x, dim)


REPLACED = {
    **INTERCEPTED,
    **FACTORISATIONS,
    torch.cumprod: _cumprod,
    torch.Tensor.cumprod: _cumprod,
}
