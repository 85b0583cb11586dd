"""The weights of a guide as one vector: what `Draws.adaptation` and a `KernelState` hold of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from probgen.errors import OptionError
from probgen.inference.variational.guides.make import make_guide
from probgen.inference.variational.start import Start

if TYPE_CHECKING:
    from probgen.inference.variational.guides.whitened import Whitened
    from probgen.inference.variational.svi import SVI

__all__ = ["FLOW", "rebuilt", "weights_of"]

FLOW = "flow"
"""The name of the vector, among what was learnt."""


def weights_of(module: nn.Module) -> np.ndarray:
    """Every real number of a module, parameters and buffers, as one vector."""
    return np.concatenate([value.numpy(force=True).ravel() for value in _values(module)])


def rebuilt(method: SVI, dim: int, weights: np.ndarray) -> Whitened:
    """The guide that `method` names, with the weights of one that was fitted.

    Raises `OptionError` for weights that are not those of such a guide.
    """
    zeros, ones = torch.zeros(dim, dtype=torch.float64), torch.ones(dim, dtype=torch.float64)
    for factor in (torch.eye(dim, dtype=torch.float64), ones):
        guide = make_guide(method, Start(zeros, factor, ones), 0)
        values = _values(guide)
        sizes = [value.numel() for value in values]
        if sum(sizes) == weights.size:
            break
    else:
        raise OptionError(
            f"adapted: the flow in it has {weights.size} weights, and {sum(sizes)} are needed. "
            "Use the result of a run with the same method on the same model."
        )
    if not np.isfinite(weights).all():
        raise OptionError("adapted: the weights of the flow in it are not finite.")
    with torch.no_grad():
        for value, part in zip(values, np.split(weights, np.cumsum(sizes)[:-1]), strict=True):
            value.copy_(torch.from_numpy(part).reshape(value.shape))
    return guide


def _values(module: nn.Module) -> list[torch.Tensor]:
    return [value for value in module.state_dict().values() if value.is_floating_point()]
