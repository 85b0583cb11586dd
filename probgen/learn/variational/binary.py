"""The log density of many binary entries in few passes over memory.

What torch computes by a chain of operations, each over all entries there and back: the sum of
log Bernoulli, of logits by the kernel that sums, of probabilities with a derivative in closed
form. Probabilities are kept from 0 and 1 as torch keeps them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits

from probgen.learn.variational.run import Message

__all__ = ["binary_sum"]

_TYPES = (torch.float32, torch.float64)
_SUM = 2  # torch's number of the reduction "sum"


class _Probabilities(torch.autograd.Function):
    """The sum of x log p + (1 - x) log(1 - p)."""

    @staticmethod
    def forward(ctx: Any, p: Tensor, x: Tensor) -> Tensor:
        """`p` and `x` of one shape."""
        tiny = torch.finfo(p.dtype).eps
        inside = p.clamp(min=tiny, max=1 - tiny)
        ctx.save_for_backward(p, inside, x)
        return -binary_cross_entropy(inside, x, reduction="sum")

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, None]:
        """(x - p) / (p (1 - p)), and 0 where p was moved."""
        p, inside, x = ctx.saved_tensors
        if p.dtype == torch.float32:  # torch's one pass holds p (1 - p) above 1e-12
            slope = torch.ops.aten.binary_cross_entropy_backward(-outer, inside, x, None, _SUM)
        else:
            slope = (x - inside).div_((1 - inside).mul_(inside)).mul_(outer)
        return slope.masked_fill_(p != inside, 0), None


def binary_sum(message: Message) -> Tensor | None:
    """The sum of a site's log density, if the site is Bernoulli and nothing stands in the way."""
    fn, value, mask = message["fn"], message["value"], message["mask"]
    while type(fn).__name__ == "Independent":
        fn = fn.base_dist
    if type(fn).__name__ != "Bernoulli" or not (mask is None or mask is True):
        return None
    logits = fn.__dict__.get("logits")
    given = fn.__dict__.get("probs") if logits is None else logits
    if given is None or given.shape != value.shape or given.dtype not in _TYPES:
        return None
    if value.requires_grad or value.dtype != given.dtype:
        return None
    if logits is not None:
        return -binary_cross_entropy_with_logits(logits, value, reduction="sum")
    return _Probabilities.apply(given, value)
