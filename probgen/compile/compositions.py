"""Composite operations spelled out in simpler ones that have a lowering rule.

Torch has such a table of its own, and the recorder falls back on it; but its first use imports
torch's whole compiler, which takes seconds. What statistical programs use is therefore here,
with torch's treatment of infinities and NaN. `COMPOSITIONS` is the whole table.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

__all__ = ["COMPOSITIONS"]

aten = torch.ops.aten

# --- element by element ----------------------------------------------------------------------


def _same(x):
    return x


def _sigmoid_backward(grad, y):
    return grad * (y * (1 - y))


def _tanh_backward(grad, y):
    return grad * (1 - y * y)


def _threshold_backward(grad, x, threshold):
    return torch.where(x <= threshold, 0.0, grad)


def _masked_fill(x, mask, value):
    return torch.where(mask, value, x)


def _logit(x, eps=None):
    x = x if eps is None else x.clamp(eps, 1 - eps)
    return torch.log(x / (1 - x))


def _logit_backward(grad, x, eps=None):
    low = 0.0 if eps is None else eps
    inside = torch.logical_and(x >= low, x <= 1 - low)
    return torch.where(inside, grad / (x * (1 - x)), math.nan if eps is None else 0.0)


def _logaddexp(a, b):
    high = torch.maximum(a, b)
    same = torch.logical_and(torch.isinf(a), a == b)
    return torch.where(same, a, high + torch.log1p(torch.exp(-torch.abs(a - b))))


def _xlogy(x, y):
    return _zero_times(x, y, torch.log)


def _xlog1py(x, y):
    return _zero_times(x, y, torch.log1p)


def _zero_times(x, y, log):
    x, y = torch.as_tensor(x, dtype=torch.float64), torch.as_tensor(y, dtype=torch.float64)
    product = torch.where(x == 0, 0.0, x * log(y))
    return torch.where(torch.isnan(y), math.nan, product)


def _entropy_term(x):
    product = torch.where(x > 0, -x * torch.log(x), torch.where(x == 0, 0.0, -math.inf))
    return torch.where(torch.isnan(x), x, product)


def _log_ndtr(x):
    t = x * math.sqrt(0.5)
    left = torch.log(torch.special.erfcx(-t) / 2) - t * t
    return torch.where(x < 1.0, left, torch.log1p(-torch.erfc(t) / 2))


def _mvlgamma(x, p):
    shifts = torch.arange(p, dtype=torch.float64) * -0.5
    return torch.lgamma(x.unsqueeze(-1) + shifts).sum(-1) + p * (p - 1) / 4 * math.log(math.pi)


def _nan_to_num(x, nan=None, posinf=None, neginf=None):
    largest = torch.finfo(torch.float64).max
    y = torch.where(torch.isnan(x), 0.0 if nan is None else nan, x)
    y = torch.where(y == math.inf, largest if posinf is None else posinf, y)
    return torch.where(y == -math.inf, -largest if neginf is None else neginf, y)


def _lerp(start, end, weight):
    return start + weight * (end - start)


def _addcmul(x, a, b, *, value=1):
    return x + value * a * b


def _addcdiv(x, a, b, *, value=1):
    return x + value * a / b


def _frac(x):
    return x - torch.trunc(x)


def _floor_divide(x, y):
    return torch.div(x, y, rounding_mode="floor")


def _hard_shrink_backward(grad, x, lambd):
    return torch.where(torch.abs(x) > lambd, grad, 0.0)


def _round_decimals(x, *, decimals):
    scale = 10.0**decimals
    return torch.round(x * scale) / scale


def _signbit(x):
    return x < 0


# --- along dimensions ------------------------------------------------------------------------


def _any(x, dim=None, keepdim=False):
    return _extreme_truth(torch.amax, x, dim, keepdim)


def _all(x, dim=None, keepdim=False):
    return _extreme_truth(torch.amin, x, dim, keepdim)


def _extreme_truth(extreme, x, dim, keepdim):
    dims = () if dim is None else dim
    return extreme((x != 0).to(torch.float64), dims, keepdim) > 0


def _logsumexp(x, dim, keepdim=False):
    top = x.amax(dim, keepdim=True)
    base = torch.where(torch.isinf(top), 0.0, top)
    total = torch.log(torch.exp(x - base).sum(dim, keepdim=True)) + base
    return total if keepdim else torch.squeeze(total, dim)


def _softmax(x, dim, half_to_float=False):
    weights = torch.exp(x - x.amax(dim, keepdim=True))
    return weights / weights.sum(dim, keepdim=True)


def _softmax_backward(grad, y, dim, input_dtype):
    weighted = grad * y
    return weighted - y * weighted.sum(dim, keepdim=True)


def _log_softmax(x, dim, half_to_float=False):
    shifted = x - x.amax(dim, keepdim=True)
    return shifted - torch.log(torch.exp(shifted).sum(dim, keepdim=True))


def _log_softmax_backward(grad, y, dim, input_dtype):
    return grad - torch.exp(y) * grad.sum(dim, keepdim=True)


def _vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):
    dims = list(range(x.dim())) if dim is None else dim
    size = torch.abs(x)
    if math.isinf(ord):
        return (torch.amax if ord > 0 else torch.amin)(size, dims, keepdim)
    if ord == 0:
        return (x != 0).to(torch.float64).sum(dims, keepdim)
    if ord == 1:
        return size.sum(dims, keepdim)
    if ord == 2:
        return torch.sqrt((x * x).sum(dims, keepdim))
    return torch.pow(torch.pow(size, ord).sum(dims, keepdim), 1 / ord)


def _var_mean(x, dim=None, *, correction=None, keepdim=False):
    dims = list(dim) if dim else list(range(x.dim()))
    mean = x.mean(dims, keepdim=True)
    total = torch.square(x - mean).sum(dims, keepdim=keepdim)
    count = x.numel() // max(total.numel(), 1)
    freedom = max(count - (1 if correction is None else correction), 0)
    return total / freedom, mean if keepdim else mean.reshape(total.shape)


def _var(x, dim=None, *, correction=None, keepdim=False):
    return _var_mean(x, dim, correction=correction, keepdim=keepdim)[0]


def _std(x, dim=None, *, correction=None, keepdim=False):
    return torch.sqrt(_var(x, dim, correction=correction, keepdim=keepdim))


def _layer_norm(x, normalized_shape, weight, bias, eps):
    dims = list(range(x.dim() - len(normalized_shape), x.dim()))
    variance, mean = _var_mean(x, dims, correction=0, keepdim=True)
    scale = torch.rsqrt(variance + eps)
    result = (x - mean) * scale
    result = result if weight is None else result * weight
    return result if bias is None else result + bias, mean, scale


def _group_norm(x, weight, bias, count, channels, size, groups, eps):
    rows = x.reshape(count, groups, -1)
    variance, mean = _var_mean(rows, [-1], correction=0)
    scale = torch.rsqrt(variance + eps)
    result = ((rows - mean[..., None]) * scale[..., None]).reshape(x.shape)
    shape = (1, channels, *[1] * (x.dim() - 2))
    result = result if weight is None else result * weight.reshape(shape)
    return result if bias is None else result + bias.reshape(shape), mean, scale


COMPOSITIONS: dict[Any, Callable[..., Any]] = {
    aten.conj_physical.default: _same,
    aten.sigmoid_backward.default: _sigmoid_backward,
    aten.tanh_backward.default: _tanh_backward,
    aten.threshold_backward.default: _threshold_backward,
    aten.masked_fill.Scalar: _masked_fill,
    aten.masked_fill.Tensor: _masked_fill,
    aten.logit.default: _logit,
    aten.logit_backward.default: _logit_backward,
    aten.logaddexp.default: _logaddexp,
    aten.xlogy.Tensor: _xlogy,
    aten.xlogy.Scalar_Self: _xlogy,
    aten.xlogy.Scalar_Other: _xlogy,
    aten.special_xlog1py.default: _xlog1py,
    aten.special_xlog1py.self_scalar: _xlog1py,
    aten.special_xlog1py.other_scalar: _xlog1py,
    aten.special_entr.default: _entropy_term,
    aten.special_log_ndtr.default: _log_ndtr,
    aten.mvlgamma.default: _mvlgamma,
    aten.nan_to_num.default: _nan_to_num,
    aten.lerp.Scalar: _lerp,
    aten.lerp.Tensor: _lerp,
    aten.addcmul.default: _addcmul,
    aten.addcdiv.default: _addcdiv,
    aten.frac.default: _frac,
    aten.floor_divide.default: _floor_divide,
    aten.any.default: _any,
    aten.any.dim: _any,
    aten.any.dims: _any,
    aten.all.default: _all,
    aten.all.dim: _all,
    aten.all.dims: _all,
    aten.logsumexp.default: _logsumexp,
    aten._softmax.default: _softmax,
    aten._softmax_backward_data.default: _softmax_backward,
    aten._log_softmax.default: _log_softmax,
    aten._log_softmax_backward_data.default: _log_softmax_backward,
    aten.linalg_vector_norm.default: _vector_norm,
    aten.var_mean.correction: _var_mean,
    aten.var.correction: _var,
    aten.std.correction: _std,
    aten.native_layer_norm.default: _layer_norm,
    aten.native_group_norm.default: _group_norm,
    aten.hardshrink_backward.default: _hard_shrink_backward,
    aten.softshrink_backward.default: _hard_shrink_backward,
    aten.round.decimals: _round_decimals,
    aten.signbit.default: _signbit,
}
