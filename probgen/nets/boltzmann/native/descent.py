"""A step of gradient descent on a machine's parameter in one compiled pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from probgen.nets.boltzmann.native.library import library

__all__ = ["descend", "descends"]


def descends(parameter: Tensor) -> bool:
    """Whether `descend` serves a parameter: float32 on a CPU, and there is a compiler."""
    single = parameter.device.type == "cpu" and parameter.dtype == torch.float32
    return single and parameter.is_contiguous() and library() is not None


@torch.no_grad()
def descend(
    parameter: Tensor,
    gradient: Tensor,
    rate: float,
    *,
    momentum: float = 0.0,
    decay: float = 0.0,
    velocity: Tensor | None = None,
    rounded: Tensor | None = None,
    means: Sequence[Tensor] | None = None,
    slopes: Sequence[Tensor] | None = None,
) -> None:
    """Add -rate v to a parameter, where v = momentum v + gradient + decay parameter.

    With `means` the gradient D of a matrix (low, high) is centred: it loses the outer products
    of each layer's slope with the other layer's mean, and the slopes lose D high and low D.

    Args:
        parameter: that `descends` accepts.
        gradient: of its shape, float32 or bfloat16.
        rate: of learning.
        momentum: of v.
        decay: L2 penalty.
        velocity: v, changed; None where there is no momentum.
        rounded: becomes the parameter in bfloat16; given if and only if the gradient is bfloat16.
        means: of the signals of both layers, (low,) and (high,).
        slopes: gradients of both layers' biases, changed.

    """
    loaded = library()
    assert loaded is not None
    single = gradient.dtype == torch.float32
    function = loaded.probgen_descend_float if single else loaded.probgen_descend_bfloat16
    centring: list[Tensor | None] = [None] * 4
    if means is not None and slopes is not None:
        centring = [*means, *slopes]
    arrays = (parameter, gradient, velocity, rounded, *centring)
    columns = parameter.shape[-1]
    rows = parameter.numel() // columns
    pointers = [None if array is None else array.data_ptr() for array in arrays]
    function(*pointers, rows, columns, rate, momentum, decay)
    torch.autograd.graph.increment_version(parameter)
