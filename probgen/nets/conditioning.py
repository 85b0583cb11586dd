"""Networks that are told a label: side by side, in their batch normalisation, or in their score.

A label `y` is a class, (row,) of whole numbers, or a vector of `classes` numbers, (row, classes):
one of them 1, or any code. Gradients reach such vectors.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from probgen.errors import ModelError

__all__ = ["Concat", "ConditionalBatchNorm", "Projection", "batch_norm", "check_label"]


class Concat(nn.Module):
    """A network of its input and a label side by side, f([x, code(y)]).

    Vectors (row, inputs) become (row, inputs + classes); images (row, channels, height, width)
    get a constant plane for each class. The network is made for the larger input. Source: Mirza
    and Osindero (2014), "Conditional generative adversarial nets", arXiv:1411.1784.
    """

    def __init__(self, network: nn.Module, classes: int) -> None:
        super().__init__()
        self.network: Any = network
        self.classes = classes

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """What the network makes of both."""
        return self.network(self.join(x, y))

    def features(self, x: Tensor, y: Tensor) -> Tensor:
        """The network's own `features` of both."""
        return self.network.features(self.join(x, y))

    def join(self, x: Tensor, y: Tensor) -> Tensor:
        """Input and label, one after the other in the second dimension."""
        code = _code(y, self.classes).to(x)
        code = code.reshape(*code.shape, *[1] * (x.dim() - 2)).expand(-1, -1, *x.shape[2:])
        return torch.cat([x, code], 1)


class ConditionalBatchNorm(nn.Module):
    """Batch normalisation whose gains and shifts are the label's, gain[y] * x' + shift[y].

    x' has mean 0 and variance 1 over rows and pixels, of all classes together. Source: Dumoulin,
    Shlens and Kudlur (2017), "A learned representation for artistic style", ICLR; de Vries et al.
    (2017), "Modulating early visual processing by language", NeurIPS.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.normalised = nn.BatchNorm2d(channels, affine=False)
        self.gain = nn.Parameter(torch.ones(classes, channels))
        self.shift = nn.Parameter(torch.zeros(classes, channels))

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Images (row, channels, height, width) of labels `y`."""
        gain, shift = (_chosen(table, y)[:, :, None, None] for table in (self.gain, self.shift))
        return torch.addcmul(shift, gain, self.normalised(x))


class Projection(nn.Module):
    """A score of features and a label, psi(f) + <v[y], f>: `psi` is linear.

    Source: Miyato and Koyama (2018), "cGANs with projection discriminator", ICLR.
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.psi = nn.Linear(features, 1)
        self.label = nn.Embedding(classes, features)

    def forward(self, features: Tensor, y: Tensor) -> Tensor:
        """Scores (row,) of features (row, features)."""
        label = _chosen(self.label.weight, y)
        return self.psi(features).squeeze(-1) + (label * features).sum(-1)


def batch_norm(channels: int, classes: int = 0) -> nn.Module:
    """Batch normalisation of images, conditional where there are classes."""
    return ConditionalBatchNorm(channels, classes) if classes else nn.BatchNorm2d(channels)


def check_label(network: nn.Module, classes: int, y: Tensor | None) -> None:
    """Raises `ModelError` where a label is missing, or given to a network that has no classes."""
    if (y is None) == bool(classes):
        raise ModelError(
            f"{type(network).__name__} with classes={classes} was called "
            + ("without a label y." if y is None else "with a label y: say classes=.")
        )


def _code(y: Tensor, classes: int) -> Tensor:
    return y if y.dim() > 1 else F.one_hot(y.long(), classes)


def _chosen(table: Tensor, y: Tensor) -> Tensor:
    """Rows of a table (classes, ...) by classes, or their mixture by codes."""
    return y.to(table) @ table if y.dim() > 1 else F.embedding(y.long(), table)
