"""Dissimilarities of cases whose mean over pairs tells two distributions apart.

With d of negative type, 2 E d(X, Y) - E d(X, X') - E d(Y, Y') >= 0, and 0 only for equal laws:
|x - y|^beta gives the energy distance (Szekely & Rizzo 2013), and -k for a characteristic kernel k
the squared maximum mean discrepancy (Gretton et al. 2012).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from probgen.errors import DataError

__all__ = ["Dissimilarity", "gaussian", "median_distance", "power", "squared_distances"]

Dissimilarity = Callable[[Tensor], Tensor]
"""From squared distances to d, entry by entry."""


def power(beta: float) -> Dissimilarity:
    """|x - y|^beta, 0 < beta < 2."""

    def apply(squared: Tensor) -> Tensor:
        tiny = torch.finfo(squared.dtype).tiny  # where the root has no gradient
        return squared.clamp(min=tiny).pow(beta / 2)

    return apply


def gaussian(lengths: Sequence[float]) -> Dissimilarity:
    """-k(x, y), k the mean over `lengths` of exp(-|x - y|^2 / (2 length^2))."""

    def apply(squared: Tensor) -> Tensor:
        kernels = [torch.exp(-squared / (2 * length**2)) for length in lengths]
        return -torch.stack(kernels).mean(0)

    return apply


def squared_distances(first: Tensor, second: Tensor) -> Tensor:
    """|a - b|^2 of (..., n, dim) and (..., m, dim): (..., n, m).

    Both are moved to the middle of `second` first, so that little is lost in the difference.
    """
    middle = second.detach().mean(-2, keepdim=True)
    first, second = first - middle, second - middle
    sums = first.square().sum(-1)[..., :, None] + second.square().sum(-1)[..., None, :]
    return (sums - 2 * first @ second.mT).clamp(min=0)


def median_distance(cases: Tensor) -> float:
    """The median distance between two of the cases (n, dim), a length for kernels.

    Raises `DataError` where it is 0: most cases are equal.
    """
    first, second = torch.tril_indices(len(cases), len(cases), -1)
    found = squared_distances(cases, cases)[first, second].sqrt().median().item()
    if not found > 0:
        raise DataError(
            "MMD(length=None): the median distance between cases of the data is 0, since most "
            "are equal. Name the kernel's lengths, as MMD(length=(0.5, 1.0, 2.0))."
        )
    return found
