"""Fully connected networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import nn

__all__ = ["mlp"]


def mlp(
    inputs: int,
    outputs: int,
    hidden: Sequence[int] = (200,),
    activation: Callable[[], nn.Module] = nn.ReLU,
) -> nn.Sequential:
    """A multilayer perceptron, (..., inputs) -> (..., outputs), linear at its end.

    `hidden` are the widths of the hidden layers, none of them for a linear map; `activation`
    makes the nonlinearity of each.
    """
    layers: list[nn.Module] = []
    for low, high in pairwise((inputs, *hidden)):
        layers += [nn.Linear(low, high), activation()]
    return nn.Sequential(*layers, nn.Linear((inputs, *hidden)[-1], outputs))
