"""Convolutions and pooling spelled out as views and matrix products, like `compositions`.

The windows of a signal are a strided view of it; a convolution is their product with the
weights, its derivatives are a convolution and such a product again. `WINDOWS` is the table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from probgen.errors import UnsupportedOperation

__all__ = ["WINDOWS"]

aten = torch.ops.aten


def _each(value: Sequence[int], rank: int) -> list[int]:
    """One number per dimension of space; torch lets a single one stand for all."""
    return list(value) * rank if len(value) == 1 else list(value)


def _pad(x, before: Sequence[int], after: Sequence[int]):
    """Zeros around the dimensions of space, the last ones of `x`; negative numbers cut."""
    widths = [w for pair in zip(before, after, strict=True) for w in pair]
    order = [w for i in range(len(widths) - 2, -1, -2) for w in widths[i : i + 2]]
    return torch.constant_pad_nd(x, order) if any(order) else x


def _windows(x, sizes, stride, dilation):
    """(N, C, *space) as (N, C, *places, *offsets)."""
    for d in range(len(sizes)):
        reach = (sizes[d] - 1) * dilation[d] + 1
        x = x.unfold(2 + d, reach, stride[d])[..., :: dilation[d]]
    return x


def _columns(x, sizes, stride, dilation, groups):
    """The windows as a matrix for each group: (groups, N * places, channels * offsets)."""
    windows = _windows(x, sizes, stride, dilation)
    rank = len(sizes)
    places = windows.shape[2 : 2 + rank]
    rows = x.shape[0] * math.prod(places)
    order = [0, *range(2, 2 + rank), 1, *range(2 + rank, 2 + 2 * rank)]
    matrix = windows.permute(order).reshape(rows, groups, -1)
    return matrix.transpose(0, 1), places


def _correlate(x, weight, stride, padding, dilation, groups):
    """The convolution of (N, C, *space) without a bias."""
    columns, places = _columns(
        _pad(x, padding, padding), weight.shape[2:], stride, dilation, groups
    )
    kernels = weight.reshape(groups, weight.shape[0] // groups, -1)
    result = columns @ kernels.mT  # (groups, N * places, channels of a group)
    result = result.transpose(0, 1).reshape(x.shape[0], *places, weight.shape[0])
    return result.movedim(-1, 1)


def _spaced(x, stride):
    """Zeros put between neighbours, `stride - 1` each."""
    for d, step in enumerate(stride):
        if step > 1:
            dim = 2 + d
            wide = torch.constant_pad_nd(x.unsqueeze(dim + 1), _after(x.dim() - dim, step))
            shape = (*x.shape[:dim], -1, *x.shape[dim + 1 :])
            x = wide.reshape(shape).narrow(dim, 0, (x.shape[dim] - 1) * step + 1)
    return x


def _after(dims_from_last: int, step: int) -> list[int]:
    return [0, 0] * (dims_from_last - 1) + [0, step - 1]


def _transposed(x, weight, stride, padding, dilation, extra, groups):
    """The transposed convolution, whose weight is (C, channels of a group, *sizes)."""
    sizes, rank = weight.shape[2:], len(weight.shape) - 2
    apart = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    turned = apart.transpose(1, 2).reshape(-1, weight.shape[0] // groups, *sizes)
    turned = turned.flip(list(range(2, 2 + rank)))
    around = [dilation[d] * (sizes[d] - 1) - padding[d] for d in range(rank)]
    wide = _pad(_spaced(x, stride), around, [a + e for a, e in zip(around, extra, strict=True)])
    return _correlate(wide, turned, [1] * rank, [0] * rank, dilation, groups)


def _convolution(x, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    rank = weight.dim() - 2
    stride, padding = _each(stride, rank), _each(padding, rank)
    dilation, extra = _each(dilation, rank), _each(output_padding, rank)
    if transposed:
        result = _transposed(x, weight, stride, padding, dilation, extra, groups)
    else:
        result = _correlate(x, weight, stride, padding, dilation, groups)
    return result if bias is None else result + bias.reshape(1, -1, *[1] * rank)


def _convolution_backward(
    grad, x, weight, bias_sizes, stride, padding, dilation, transposed, output_padding, groups,
    output_mask,
):  # fmt: skip
    rank = weight.dim() - 2
    stride, padding, dilation = (_each(v, rank) for v in (stride, padding, dilation))
    along = None
    if output_mask[0] and transposed:
        along = _correlate(grad, weight, stride, padding, dilation, groups)
    elif output_mask[0]:
        reached = [
            (grad.shape[2 + d] - 1) * stride[d]
            - 2 * padding[d]
            + dilation[d] * (weight.shape[2 + d] - 1)
            + 1
            for d in range(rank)
        ]
        extra = [x.shape[2 + d] - reached[d] for d in range(rank)]
        along = _transposed(grad, weight, stride, padding, dilation, extra, groups)
    kernels = None
    if output_mask[1]:
        signal, seen = (grad, x) if transposed else (x, grad)
        kernels = _kernel_slope(signal, seen, weight, stride, padding, dilation, groups)
    total = grad.sum([0, *range(2, 2 + rank)]) if output_mask[2] else None
    return along, kernels, total


def _kernel_slope(signal, seen, weight, stride, padding, dilation, groups):
    """Derivative in the weights of what is `seen` of a signal through them."""
    sizes = weight.shape[2:]
    reach = [
        (seen.shape[2 + d] - 1) * stride[d] + dilation[d] * (size - 1) + 1
        for d, size in enumerate(sizes)
    ]
    padded = _pad(signal, padding, padding)
    for d, length in enumerate(reach):
        padded = padded.narrow(2 + d, 0, length)
    columns, _ = _columns(padded, sizes, stride, dilation, groups)
    channels = seen.shape[1] // groups
    rows = seen.movedim(1, -1).reshape(-1, groups, channels)
    return (rows.permute(1, 2, 0) @ columns).reshape(weight.shape)


# --- pooling -----------------------------------------------------------------------------------


def _average(x, sizes, stride, padding, ceil_mode, count_padding, divisor):
    """Average pooling: (windows of the padded signal, what each is divided by, stride)."""
    if ceil_mode:
        raise UnsupportedOperation("average pooling with ceil_mode=True has no lowering rule")
    rank = len(sizes)
    stride = _each(stride, rank) if stride else list(sizes)
    padding = _each(padding, rank)
    if divisor is not None:
        return stride, padding, float(divisor)
    if count_padding or not any(padding):
        return stride, padding, float(math.prod(sizes))
    ones = _pad(torch.ones(1, 1, *x.shape[-rank:], dtype=x.dtype), padding, padding)
    windows = _windows(ones, sizes, stride, [1] * rank)
    return stride, padding, windows.sum(list(range(-rank, 0)))


def _avg_pool(
    x, kernel_size, stride=(), padding=(0,), ceil_mode=False, count_include_pad=True,
    divisor_override=None,
):  # fmt: skip
    rank = len(kernel_size)
    stride, padding, divisor = _average(
        x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )
    batch = x.reshape(-1, 1, *x.shape[-rank:])
    windows = _windows(_pad(batch, padding, padding), kernel_size, stride, [1] * rank)
    result = windows.sum(list(range(-rank, 0))) / divisor
    return result.reshape(*x.shape[:-rank], *result.shape[2:])


def _avg_pool_backward(
    grad, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
):
    rank = len(kernel_size)
    stride, padding, divisor = _average(
        x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )
    batch = grad.reshape(-1, 1, *grad.shape[-rank:]) / divisor
    ones = torch.ones(1, 1, *kernel_size, dtype=x.dtype)
    extra = [
        x.shape[d - rank] - ((grad.shape[d - rank] - 1) * stride[d] - 2 * padding[d])
        - kernel_size[d]
        for d in range(rank)
    ]  # fmt: skip
    return _transposed(batch, ones, stride, padding, [1] * rank, extra, 1).reshape(x.shape)


WINDOWS: dict[Any, Callable[..., Any]] = {
    aten.convolution.default: _convolution,
    aten.convolution_backward.default: _convolution_backward,
    aten.avg_pool2d.default: _avg_pool,
    aten.avg_pool2d_backward.default: _avg_pool_backward,
    aten.avg_pool3d.default: _avg_pool,
    aten.avg_pool3d_backward.default: _avg_pool_backward,
}
