"""Fully connected networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice, pairwise

import torch
from torch import Tensor, nn

from probgen.nets.spectral import spectral as normalised

__all__ = ["DenseCritic", "Times", "mlp"]


def mlp(
    inputs: int,
    outputs: int,
    hidden: Sequence[int] = (200,),
    activation: Callable[[], nn.Module] = nn.ReLU,
    spectral: bool = False,
) -> nn.Sequential:
    """A multilayer perceptron, (..., inputs) -> (..., outputs), linear at its end.

    `hidden` are the widths of the hidden layers, none of them for a linear map; `activation`
    makes the nonlinearity of each; `spectral` divides every layer by its largest singular value.
    """
    layers: list[nn.Module] = []
    for low, high in pairwise((inputs, *hidden)):
        layers += [nn.Linear(low, high), activation()]
    network = nn.Sequential(*layers, nn.Linear((inputs, *hidden)[-1], outputs))
    return normalised(network) if spectral else network


class Times(nn.Module):
    """Multiplies values by a number, such as the spread of the data."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """`scale` times `x`."""
        return self.scale * x

    def extra_repr(self) -> str:
        """The number."""
        return f"{self.scale:g}"


def _leaky() -> nn.Module:
    return nn.LeakyReLU(0.2)


class DenseCritic(nn.Module):
    """Values of several sites side by side, `inputs` numbers in all -> scores (row,).

    They are divided by `scale`, about how far they spread.
    """

    def __init__(
        self,
        inputs: int,
        hidden: Sequence[int] = (128, 128),
        activation: Callable[[], nn.Module] = _leaky,
        spectral: bool = False,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.layers = mlp(inputs, 1, hidden, activation, spectral)

    def forward(self, *values: Tensor) -> Tensor:
        """Scores of rows; a value is (row, ...)."""
        return self.layers[-1](self.features(*values)).squeeze(-1)

    def features(self, *values: Tensor) -> Tensor:
        """What the last hidden layer sees, (row, width)."""
        rows = [v.reshape(len(v), -1) for v in values]
        hidden = rows[0] if len(rows) == 1 else torch.cat(rows, 1)
        if self.scale != 1:
            hidden = hidden / self.scale
        for layer in islice(self.layers, len(self.layers) - 1):  # a slice would be a new module
            hidden = layer(hidden)
        return hidden
