"""What the networks of the first papers are made of, for `reproduce`."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["BodyCritic", "Branches", "Maxout", "Uniform", "started"]


class BodyCritic(nn.Module):
    """Scores of rows, (row,), that are linear in the features, (row, width), of a body."""

    def __init__(self, body: nn.Module, width: int) -> None:
        super().__init__()
        self.body, self.head = body, nn.Linear(width, 1)

    def features(self, x: Tensor) -> Tensor:
        """What the body makes of rows."""
        return self.body(x)

    def forward(self, x: Tensor) -> Tensor:
        """The scores."""
        return self.head(self.body(x)).squeeze(-1)


class Maxout(nn.Linear):
    """The largest of `pieces` linear maps, (row, inputs) -> (row, units).

    Source: Goodfellow, Warde-Farley, Mirza, Courville and Bengio (2013), "Maxout networks", ICML.
    """

    def __init__(self, inputs: int, units: int, pieces: int) -> None:
        super().__init__(inputs, units * pieces)
        self.units = units

    def forward(self, x: Tensor) -> Tensor:
        """The maxima."""
        return super().forward(x).unflatten(-1, (self.units, -1)).amax(-1)


class Uniform(nn.Module):
    """Normal numbers made uniform on `low` to 1, by their distribution function.

    `count` are the first entries of a row that it is done to, the others being left; None: all.
    """

    def __init__(self, low: float = 0.0, count: int | None = None) -> None:
        super().__init__()
        self.low, self.count = low, count

    def forward(self, row: Tensor) -> Tensor:
        """Rows of the same size."""
        count = row.shape[-1] if self.count is None else self.count
        uniform = self.low + (1 - self.low) * torch.special.ndtr(row[..., :count])
        return torch.cat([uniform, row[..., count:]], -1)


class Branches(nn.Module):
    """A network of the first `size` entries of a row, one of the others, one of what both give.

    `first`, `second` and `joint` are those networks.
    """

    def __init__(self, size: int, first: nn.Module, second: nn.Module, joint: nn.Module) -> None:
        super().__init__()
        self.size, self.first, self.second, self.joint = size, first, second, joint

    def forward(self, row: Tensor) -> Tensor:
        """What the joint network gives."""
        first, second = self.first(row[..., : self.size]), self.second(row[..., self.size :])
        return self.joint(torch.cat([first, second], -1))


def started(network: nn.Module, draw: Callable[[Tensor], object]) -> nn.Module:
    """The network with the weights of its layers drawn anew in place, and its biases 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.modules.conv._ConvNd):
            draw(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network
