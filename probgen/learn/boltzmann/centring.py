"""The centred gradient, which does not depend on whether a unit is on or off by default.

Energies of signals less their means, (s(x) - m)'W(s(h) - l), describe the same machines; the
gradient of those, seen from the ordinary parameters, is the enhanced gradient.

Source: Montavon & Mueller (2012), "Deep Boltzmann machines and the centering trick"; Melchior,
Fischer & Wiskott (2016), "How to center deep Boltzmann machines", JMLR 17(99).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from probgen.learn.boltzmann.gradient import Gradient

__all__ = ["centre"]


@torch.no_grad()
def centre(found: Gradient, offsets: Sequence[Tensor]) -> None:
    """Turn a gradient into the centred one, in place.

    Args:
        found: gradient of -log p.
        offsets: means of every layer's signals under the data, (width,).

    """
    for layer in range(len(offsets) - 1):
        weight, low, high = found[f"weights.{layer}"], offsets[layer], offsets[layer + 1]
        weight.addr_(found[f"biases.{layer}"], high, alpha=-1)
        weight.addr_(low, found[f"biases.{layer + 1}"], alpha=-1)
    shifts = [torch.zeros_like(offset) for offset in offsets]
    for layer in range(len(offsets) - 1):
        weight = found[f"weights.{layer}"]
        shifts[layer] += weight @ offsets[layer + 1]
        shifts[layer + 1] += offsets[layer] @ weight
    for layer, shift in enumerate(shifts):
        found[f"biases.{layer}"] -= shift
