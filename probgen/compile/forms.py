"""Operations rewritten before they are lowered: cheaper, or better behaved, than torch's forms.

The logistic family shares one exponential, exp(-|x|), between value and gradient: half the cost
of torch's own forms in a fused loop. The derivatives below are torch's, spelled out in
operations that have a lowering rule. `FORMS` is the whole table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from probgen.errors import UnsupportedOperation

__all__ = ["FORMS"]

aten = torch.ops.aten


def _exp_minus_abs(x: torch.Tensor) -> torch.Tensor:
    return torch.exp(-torch.abs(x))


def _sigmoid(x: torch.Tensor) -> torch.Tensor:
    small = _exp_minus_abs(x)
    return torch.where(x >= 0, 1.0, small) / (1.0 + small)


def _softplus(x, beta=1, threshold=20):
    return (torch.clamp_min(x * beta, 0) + torch.log1p(_exp_minus_abs(x * beta))) / beta


def _softplus_backward(grad_output, x, beta, threshold):
    return grad_output * _sigmoid(x * beta)


def _log_sigmoid_forward(x):
    return torch.clamp_max(x, 0) - torch.log1p(_exp_minus_abs(x)), torch.zeros(0)


def _log_sigmoid_backward(grad_output, x, buffer):
    return grad_output * _sigmoid(-x)


def _bernoulli_logits(x, target, weight=None, pos_weight=None, reduction=1):
    tail = torch.log1p(_exp_minus_abs(x))
    if pos_weight is None:
        loss = torch.clamp_min(x, 0) - x * target + tail
    else:
        scale = (pos_weight - 1) * target + 1
        loss = (1 - target) * x + scale * (tail + torch.clamp_min(-x, 0))
    loss = loss if weight is None else loss * weight
    return {0: loss, 1: loss.mean(), 2: loss.sum()}[reduction]


def _searchsorted(
    sorted_sequence, x, *, out_int32=False, right=False, side=None, sorter=None
):
    if sorter is not None:
        raise UnsupportedOperation("searchsorted with a sorter has no lowering rule")
    values = torch.as_tensor(x)[..., None]
    below = sorted_sequence[..., None, :] if values.dim() > 1 else sorted_sequence
    passed = below <= values if right or side == "right" else below < values
    return passed.sum(-1)


def _bucketize(x, boundaries, *, out_int32=False, right=False):
    return _searchsorted(boundaries.reshape((1,) * max(x.dim() - 1, 0) + (-1,)), x, right=right)


def _masked_select(x, mask):
    shape = torch.broadcast_tensors(x, mask)[0].shape
    return x.expand(shape)[mask.expand(shape)]


# --- spread ----------------------------------------------------------------------------------


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


# --- determinants ----------------------------------------------------------------------------


def _upper_factor(a):
    """Sign of the permutation and diagonal of the upper factor, and what the gradient reads.

    Torch factorises the transposed matrix when it is contiguous, and its derivative knows.
    """
    factors, pivots, _ = torch.linalg.lu_factor_ex(a.mT if a.is_contiguous() else a)
    own = torch.arange(1, a.shape[-1] + 1)
    sign = torch.where(pivots == own, 1.0, -1.0).to(a.dtype).prod(-1)
    return sign, factors.diagonal(0, -2, -1), factors, pivots


def _det(a):
    sign, diagonal, factors, pivots = _upper_factor(a)
    return sign * diagonal.prod(-1), factors, pivots


def _slogdet(a):
    sign, diagonal, factors, pivots = _upper_factor(a)
    return sign * diagonal.sign().prod(-1), diagonal.abs().log().sum(-1), factors, pivots


FORMS: dict[Any, Callable[..., Any]] = {
    aten.sigmoid.default: _sigmoid,
    aten.softplus.default: _softplus,
    aten.softplus_backward.default: _softplus_backward,
    aten.log_sigmoid_forward.default: _log_sigmoid_forward,
    aten.log_sigmoid_backward.default: _log_sigmoid_backward,
    aten.binary_cross_entropy_with_logits.default: _bernoulli_logits,
    aten.searchsorted.Tensor: _searchsorted,
    aten.searchsorted.Scalar: _searchsorted,
    aten.bucketize.Tensor: _bucketize,
    aten.masked_select.default: _masked_select,
    aten.var.correction: _var,
    aten.std.correction: _std,
    aten.var_mean.correction: _var_mean,
    aten.native_layer_norm.default: _layer_norm,
    aten._linalg_det.default: _det,
    aten._linalg_slogdet.default: _slogdet,
}
