"""Residual blocks that double or halve images, and a generator and a critic made of them.

Upwards f(x) = up(x) + conv(relu(norm(conv(up(relu(norm(x))))))), with batch normalisation, which
is conditional where there are classes; downwards f(x) = mean(x) + mean(conv(relu(conv(relu(x))))),
with every layer divided by its largest singular value. `up` copies pixels, `mean` takes means of
2x2 pixels; the straight way has a convolution of 1x1 where channels change.
Source: Gulrajani et al. (2017), "Improved training of Wasserstein GANs", NeurIPS; Miyato and
Koyama (2018), "cGANs with projection discriminator", ICLR.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from probgen.errors import OptionError
from probgen.nets.conditioning import Projection, batch_norm, check_label
from probgen.nets.spectral import spectral as normalised

__all__ = ["DownBlock", "ResidualCritic", "ResidualGenerator", "UpBlock"]

_SMALLEST = 4  # at least, of the side of the smallest image


class UpBlock(nn.Module):
    """Images (row, low, side, side) -> (row, high, 2 side, 2 side)."""

    def __init__(self, low: int, high: int, classes: int = 0) -> None:
        super().__init__()
        self.classes = classes
        self.norms = nn.ModuleList(batch_norm(channels, classes) for channels in (low, high))
        self.first, self.second = nn.Conv2d(low, high, 3, 1, 1), nn.Conv2d(high, high, 3, 1, 1)
        self.straight = nn.Conv2d(low, high, 1) if low != high else nn.Identity()

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Larger images, of labels where there are classes."""
        hidden = self.first(_twice(self._norm(0, x, y).relu_()))
        hidden = self.second(self._norm(1, hidden, y).relu_())
        return hidden + _twice(self.straight(x))  # a convolution of 1x1 commutes with copying

    def _norm(self, which: int, x: Tensor, y: Tensor | None) -> Tensor:
        return self.norms[which](x, y) if self.classes else self.norms[which](x)


class DownBlock(nn.Module):
    """Images (row, low, side, side) -> (row, high, side / 2, side / 2), or as large as they were.

    The `first` block takes pixels, which no ReLU may cut.
    """

    def __init__(self, low: int, high: int, halve: bool = True, first: bool = False) -> None:
        super().__init__()
        self.halve, self.rectify = halve, not first
        self.first, self.second = nn.Conv2d(low, high, 3, 1, 1), nn.Conv2d(high, high, 3, 1, 1)
        self.straight = nn.Conv2d(low, high, 1) if low != high else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Smaller images."""
        hidden = self.second(self.first(x.relu() if self.rectify else x).relu_())
        if not self.halve:
            return hidden + self.straight(x)
        # means commute with a convolution of 1x1, which is cheaper behind them
        return F.avg_pool2d(hidden, 2) + self.straight(F.avg_pool2d(x, 2))


class ResidualGenerator(nn.Module):
    """Latents (row, latents) -> images (row, channels, size, size) in [-1, 1].

    Args:
        latents: numbers that an image is made of.
        size: side of the image, 4 to 7 times a power of two.
        channels: of the image.
        width: channels of every layer.
        classes: of the label of conditional batch normalisation; 0 for plain, and no label.

    """

    def __init__(
        self,
        latents: int = 128,
        size: int = 32,
        channels: int = 3,
        width: int = 128,
        classes: int = 0,
    ) -> None:
        super().__init__()
        count, side = _halvings(size)
        self.classes = classes
        self.start = nn.Sequential(
            nn.Linear(latents, width * side * side), nn.Unflatten(1, (width, side, side))
        )
        self.blocks = nn.ModuleList(UpBlock(width, width, classes) for _ in range(count))
        self.norm, self.last = nn.BatchNorm2d(width), nn.Conv2d(width, channels, 3, 1, 1)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images of latents, and of labels where there are classes."""
        check_label(self, self.classes, y)
        hidden = self.start(z)
        for block in self.blocks:
            hidden = block(hidden, y)
        return self.last(self.norm(hidden).relu_()).tanh_()


class ResidualCritic(nn.Module):
    """Images (row, channels, size, size) -> scores (row,), logits of being data.

    Args:
        size, channels, width: as the generator's.
        classes: of the label whose projection is added to the score; 0 for none.
        spectral: whether all layers are divided by their largest singular value.

    """

    def __init__(
        self,
        size: int = 32,
        channels: int = 3,
        width: int = 128,
        classes: int = 0,
        spectral: bool = True,
    ) -> None:
        super().__init__()
        halvings = min(2, _halvings(size)[0])
        self.classes = classes
        self.blocks = nn.Sequential(
            *(
                DownBlock(low, high, halve=block < halvings, first=not block)
                for block, (low, high) in enumerate(pairwise([channels, *[width] * 4]))
            )
        )
        self.last = Projection(width, classes) if classes else nn.Linear(width, 1)
        if spectral:
            normalised(self)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Scores of images, and of labels where there are classes."""
        check_label(self, self.classes, y)
        features = self.features(x)
        return self.last(features, y) if self.classes else self.last(features).squeeze(-1)

    def features(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Sums over pixels of what the last layer sees, (row, width); labels do not matter."""
        return self.blocks(x).relu_().sum((2, 3))


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


def _halvings(size: int) -> tuple[int, int]:
    """How often the side is halved, and what is left."""
    count = max(0, (size // _SMALLEST).bit_length() - 1)
    side, rest = divmod(size, 2**count)
    if rest or side < _SMALLEST:
        raise OptionError(
            f"size={size}: blocks that halve the image need a side of 4 to 7 times a power of "
            "two: 8, 16, 28, 32, 64 ..."
        )
    return count, side
