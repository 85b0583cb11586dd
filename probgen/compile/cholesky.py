"""Cholesky factors with a derivative that is a single operation.

Torch differentiates a factorisation by a product and two triangular solves with whole matrices,
two of n^3 multiplications. While a program is traced, its factorisations are replaced by one
whose derivative runs through the factorisation backwards (Murray 2016, "Differentiation of the
Cholesky decomposition", arXiv:1602.07527): a third of n^3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

__all__ = ["CHOLESKY_BACKWARD", "FACTORISATIONS", "cholesky_backward"]

_library = torch.library.Library("probgen", "FRAGMENT")
_library.define("cholesky_backward(Tensor grad, Tensor factor) -> Tensor")


def cholesky_backward(grad: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """The derivative by symmetric matrices, from that by their lower factors (..., n, n)."""
    inside = (factor.mT @ grad).tril()
    inside = 0.5 * (inside + inside.tril(-1).mT)
    left = torch.linalg.solve_triangular(factor.mT, inside, upper=True)
    return torch.linalg.solve_triangular(factor, left, upper=False, left=False)


@torch.library.impl(_library, "cholesky_backward", "CompositeExplicitAutograd")
def _cholesky_backward(grad: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    return cholesky_backward(grad, factor)


CHOLESKY_BACKWARD = torch.ops.probgen.cholesky_backward.default


class _Factorisation(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(a: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.ops.aten.linalg_cholesky_ex.default(a)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
        ctx.save_for_backward(output[0])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor, _: Any) -> torch.Tensor:
        (factor,) = ctx.saved_tensors
        again = torch.is_grad_enabled()  # a program that differentiates inside
        return (cholesky_backward if again else CHOLESKY_BACKWARD)(grad, factor)


def _traced(function: Callable[..., Any], result: Callable[..., Any]) -> Callable[..., Any]:
    """`function` by way of `_Factorisation` where that serves: real matrices, lower factors."""

    def call(a: torch.Tensor, *args: Any, **options: Any) -> Any:
        if any(args) or any(options.values()) or not (a.requires_grad and a.is_floating_point()):
            return function(a, *args, **options)
        return result(_Factorisation.apply(a))

    return call


def _factor(parts: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return parts[0]


FACTORISATIONS = {
    torch.linalg.cholesky: _traced(torch.linalg.cholesky, _factor),
    torch.linalg.cholesky_ex: _traced(
        torch.linalg.cholesky_ex,
        torch.return_types.linalg_cholesky_ex,  # type: ignore[attr-defined]
    ),
    torch.cholesky: _traced(torch.cholesky, _factor),
    torch.Tensor.cholesky: _traced(torch.Tensor.cholesky, _factor),
}
