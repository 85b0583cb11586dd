"""The convolutional generator and critic of DCGAN, images as (row, channels, height, width).

Every layer doubles or halves the image by strided convolutions of 4x4 alone: no pooling, no
hidden dense layer; batch normalisation everywhere except at the generator's end and the critic's
start; ReLU up and LeakyReLU(0.2) down, tanh at the end; weights from Normal(0, 0.02).
Source: Radford, Metz and Chintala (2016), "Unsupervised representation learning with deep
convolutional generative adversarial networks", ICLR.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d

from probgen.errors import OptionError
from probgen.nets.conditioning import Projection, batch_norm, check_label
from probgen.nets.spectral import spectral as normalised

__all__ = ["DCGANCritic", "DCGANGenerator"]

_SPREAD = 0.02
_LAYOUT = torch.channels_last  # of hidden values: a fifth faster on a CPU
_SMALLEST = 4  # side of the image next to the latents, 2 or 3 where there would be one layer


class DCGANGenerator(nn.Module):
    """Latents (row, latents) -> images (row, channels, size, size) in [-1, 1].

    Args:
        latents: numbers that an image is made of.
        size: side of the image, such as 8, 16, 28, 32 or 64.
        channels: of the image.
        width: channels of the layer next to the image; each one further away has twice as many.
        classes: of the label of conditional batch normalisation; 0 for plain, and no label.

    """

    def __init__(
        self,
        latents: int = 100,
        size: int = 64,
        channels: int = 1,
        width: int = 64,
        classes: int = 0,
    ) -> None:
        super().__init__()
        side, widths = _layers(size, width)
        self.latents, self.size, self.channels, self.classes = latents, size, channels, classes
        self.first = nn.ConvTranspose2d(latents, widths[-1], side, bias=False)
        self.layers = nn.ModuleList(
            nn.ConvTranspose2d(low, high, 4, 2, 1, bias=False)
            for low, high in pairwise(widths[::-1])
        )
        self.norms = nn.ModuleList(batch_norm(outputs, classes) for outputs in widths[::-1])
        self.last = nn.ConvTranspose2d(width, channels, 4, 2, 1)
        self.apply(_start)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images of latents, and of labels where there are classes."""
        check_label(self, self.classes, y)
        hidden = z[:, :, None, None]
        for layer, norm in zip([self.first, *self.layers], self.norms, strict=True):
            hidden = layer(hidden).contiguous(memory_format=_LAYOUT)
            hidden = (norm(hidden, y) if self.classes else norm(hidden)).relu_()
        return self.last(hidden).tanh_()


class DCGANCritic(nn.Module):
    """Images (row, channels, size, size) -> scores (row,), logits of being data.

    Args:
        size, channels, width: as the generator's.
        classes: of the label whose projection is added to the score; 0 for none.
        normalise: whether layers but the first are normalised over the batch; penalties on
            gradients of single rows want it off.
        spectral: whether all layers are divided by their largest singular value.

    """

    def __init__(
        self,
        size: int = 64,
        channels: int = 1,
        width: int = 64,
        classes: int = 0,
        normalise: bool = True,
        spectral: bool = False,
    ) -> None:
        super().__init__()
        side, widths = _layers(size, width)
        self.size, self.channels, self.classes = size, channels, classes
        self.first = nn.Conv2d(channels, width, 4, 2, 1)
        layers: list[nn.Module] = [nn.LeakyReLU(0.2, inplace=True)]
        for low, high in pairwise(widths):
            layers.append(nn.Conv2d(low, high, 4, 2, 1, bias=not normalise))
            layers += [batch_norm(high)] if normalise else []
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        self.layers = nn.Sequential(*layers)
        self.last: nn.Module = nn.Conv2d(widths[-1], 1, side)
        if classes:
            self.last = Projection(widths[-1] * side * side, classes)
        self.apply(_start)
        if spectral:
            normalised(self)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Scores of images, and of labels where there are classes."""
        check_label(self, self.classes, y)
        hidden = self._hidden(x)
        return self.last(hidden.flatten(1), y) if self.classes else self.last(hidden).flatten()

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """What the last hidden layer sees in images, (row, features); labels do not matter."""
        return self._hidden(x).flatten(1)

    def representation(self, x: Tensor, side: int = _SMALLEST) -> Tensor:
        """What every layer sees in images, (row, features), for a linear classifier of them.

        Each layer's values are the largest of `side` x `side` parts of the image, or as they are
        where they are no more than that. Source: section 5.1 of the paper.
        """
        if side < 1:
            raise OptionError(f"side={side}: the parts of an image are 1 x 1 or more.")
        found, hidden = [], self.first(x).contiguous(memory_format=_LAYOUT)
        for layer in self.layers:
            hidden = layer(hidden)
            if isinstance(layer, nn.LeakyReLU):
                found.append(adaptive_max_pool2d(hidden, min(side, hidden.shape[-1])).flatten(1))
        return torch.cat(found, 1)

    def _hidden(self, x: Tensor) -> Tensor:
        return self.layers(self.first(x).contiguous(memory_format=_LAYOUT))


def _layers(size: int, width: int) -> tuple[int, list[int]]:
    """Side of the smallest image, and channels of the layers from the largest image's on."""
    count = max(2, (size // _SMALLEST).bit_length() - 1)
    side, rest = divmod(size, 2**count)
    if rest or side < 2:
        raise OptionError(
            f"size={size}: layers that halve the image need a side of 2 to 7 times a power of "
            "two, from 8: 8, 16, 28, 32, 64 ..."
        )
    return side, [width * 2**layer for layer in range(count)]


def _start(part: nn.Module) -> None:
    """Initial weights of a layer: Normal(0, 0.02), gains Normal(1, 0.02)."""
    if isinstance(part, nn.modules.conv._ConvNd | nn.Linear | nn.Embedding):
        nn.init.normal_(part.weight, 0.0, _SPREAD)
    elif isinstance(part, nn.BatchNorm2d) and part.affine:
        nn.init.normal_(part.weight, 1.0, _SPREAD)
    bias = getattr(part, "bias", None)
    if bias is not None:
        nn.init.zeros_(bias)
