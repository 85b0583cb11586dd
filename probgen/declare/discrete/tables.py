"""Log-density tables over discrete variables: summed out exactly, or drawn from exactly.

The last dimensions of a table are the batch dimensions of the program, right-aligned; before
them stands one dimension per variable, ascending; before these, when many points are treated
together, the points. Sums are shifted by their maximum, and save the exponentials that their
derivative needs. Drawing goes back through the steps of a sum (forward filtering, backward
sampling): Scott, "Bayesian methods for hidden Markov models", 2002.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from probgen.declare.discrete.order import Order, Step
from probgen.declare.discrete.variables import Dims

__all__ = ["Contraction", "entries_at", "log_sum_exp", "without_plates"]

_LOWEST, _SMALLEST = -3e38, 1e-37  # also of single precision


class _LogSumExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, dim: int) -> torch.Tensor:
        top = x.amax(dim, keepdim=True).clamp(min=_LOWEST)  # all -inf: no NaN
        weights = torch.exp(x - top)
        total = weights.sum(dim, keepdim=True)
        ctx.save_for_backward(weights, total)
        ctx.dim = dim
        return (torch.log(total) + top).squeeze(dim)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        weights, total = ctx.saved_tensors
        scale = grad.unsqueeze(ctx.dim) / total.clamp(min=_SMALLEST)
        return weights * scale, None


def log_sum_exp(x: torch.Tensor, dim: int) -> torch.Tensor:
    """log sum exp along `dim`; -inf with zero gradient where every term is -inf."""
    return _LogSumExp.apply(x, dim)


def without_plates(table: torch.Tensor, plates: Dims) -> torch.Tensor:
    """A table multiplied over (its logarithms summed over) some plates, dimensions kept."""
    dims = sorted(dim for dim, _ in plates)
    return table.sum(dims, keepdim=True) if dims else table


class Contraction:
    """Tables summed out in an order; `rank` is the number of batch dimensions.

    `tables` are those of the program and then the results of the steps. With `keep` the
    products before each sum are kept, which `draw` needs.
    """

    def __init__(
        self, order: Order, tables: Sequence[torch.Tensor], rank: int, keep: bool = False
    ) -> None:
        self.order = order
        self.rank = rank
        self.tables = list(tables)
        self._products: list[torch.Tensor] = []
        for step in order.steps:
            product = self._product(step)
            if keep:
                self._products.append(product)
            dim = self._dim(step.scope, step.variable)
            self.tables.append(log_sum_exp(product, dim))

    def roots(self, kept: Dims = frozenset()) -> torch.Tensor:
        """The log of the total sum, one value per element of the plates `kept`."""
        reduced = [
            without_plates(self.tables[number], self.order.plates[number] - kept)
            for number in self.order.roots
        ]
        return sum(reduced[1:], start=reduced[0])

    def draw(
        self, uniform: Callable[[int, tuple[int, ...]], torch.Tensor]
    ) -> dict[int, torch.Tensor]:
        """Indices of states drawn jointly, by variable, of shape (points, batch dimensions).

        `uniform(variable, shape)` gives numbers in [0, 1).
        """
        drawn: dict[int, torch.Tensor] = {}
        for step, product in zip(
            reversed(self.order.steps), reversed(self._products), strict=True
        ):
            others = {w: drawn[w] for w in step.kept}
            table = entries_at(product, step.scope, others, self.rank)
            dim = -1 - self.rank
            weights = torch.exp(table - table.amax(dim, keepdim=True)).cumsum(dim)
            total = weights.select(dim, -1)
            level = (uniform(step.variable, tuple(total.shape)) * total).unsqueeze(dim)
            passed = weights.narrow(dim, 0, weights.shape[dim] - 1) <= level
            drawn[step.variable] = passed.sum(dim)
        return drawn

    def _product(self, step: Step) -> torch.Tensor:
        parts = sorted(step.inputs, key=lambda number: len(self.order.scopes[number]))
        spread = [
            _spread(
                without_plates(self.tables[number], self.order.plates[number] - step.plates),
                self.order.scopes[number],
                step.scope,
                self.rank,
            )
            for number in parts
        ]
        return sum(spread[1:], start=spread[0])

    def _dim(self, scope: tuple[int, ...], variable: int) -> int:
        return scope.index(variable) - len(scope) - self.rank


def entries_at(
    table: torch.Tensor, scope: Sequence[int], indices: Mapping[int, torch.Tensor], rank: int
) -> torch.Tensor:
    """A table at given states of some of its variables, whose dimensions go."""
    left = list(scope)
    for v, index in indices.items():
        dim = left.index(v) - len(left) - rank
        lead = index.shape[: index.dim() - rank]
        ones = (1,) * len(left)
        index = index.reshape(*lead, *ones, *index.shape[index.dim() - rank :])
        table = torch.take_along_dim(table, index, dim).squeeze(dim)
        left.remove(v)
    return table


def _spread(
    table: torch.Tensor, scope: tuple[int, ...], wider: tuple[int, ...], rank: int
) -> torch.Tensor:
    """The same table with dimensions of one entry for the variables it does not have."""
    if scope == wider:
        return table
    first = table.dim() - rank - len(scope)
    sizes = dict(zip(scope, table.shape[first : first + len(scope)], strict=True))
    return table.reshape(
        *table.shape[:first], *(sizes.get(v, 1) for v in wider), *table.shape[first + len(scope) :]
    )
