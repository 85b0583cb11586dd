"""Features by random convolutions: no training, no download, the same everywhere for a seed.

They rank samples of one data set; numbers do not compare with those of papers, and their scale
means nothing by itself. Source: Jarrett et al. (2009) and Ulyanov, Vedaldi and Lempitsky (2018)
for what untrained convolutions see.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from probgen.errors import OptionError
from probgen.nets.extractors.base import NetworkExtractor, as_images

__all__ = ["RandomFeatures"]


class RandomFeatures(NetworkExtractor):
    """Means over the image of rectified random convolutions; of vectors, rectified projections.

    Args:
        channels: of an image, or 0 for cases that are vectors of `width` entries.
        width: entries of a vector.
        features: how many.
        seed: of the weights.

    Raises `OptionError` for settings that cannot be used.
    """

    def __init__(
        self, channels: int = 1, width: int = 0, features: int = 64, seed: int = 0
    ) -> None:
        counts = {"channels": channels, "width": width, "features": features, "seed": seed}
        for name, value in counts.items():
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**32:
                raise OptionError(
                    f"{name}={value!r}: it must be an integer from 0 to {2**32 - 1}."
                )
        if features < 2 or (channels < 1) == (width < 1):
            raise OptionError(
                f"channels={channels}, width={width}, features={features}: 2 or more features of "
                "images (channels of 1 or more) or of vectors (a width of 1 or more)."
            )
        self.channels = channels
        generator = torch.Generator().manual_seed(seed)
        kind = "convolutional" if channels else "projected"
        with torch.device("meta"):  # weights that nothing is drawn for
            network = _Convolved(channels, features) if channels else _Projected(width, features)
        network.to_empty(device="cpu")
        for weight in network.parameters():
            fan_in = weight[0].numel()
            weight.data = torch.randn(weight.shape, generator=generator) * (2 / fan_in) ** 0.5
        super().__init__(network, f"random {kind} features {features}, seed {seed}")

    def prepared(self, x: Tensor) -> Tensor:
        """Images with a channel, or flat vectors."""
        return as_images(x, self.name) if self.channels else x.flatten(1)


class _Convolved(nn.Module):
    def __init__(self, channels: int, features: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, 32, 3, 1, 1, bias=False)
        self.second = nn.Conv2d(32, 64, 3, 2, 1, bias=False)
        self.third = nn.Conv2d(64, features, 3, 2, 1, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        x = self.second(self.first(x).relu()).relu()
        return self.third(x).relu().mean(dim=(2, 3)), None


class _Projected(nn.Module):
    def __init__(self, width: int, features: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, features, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return self.first(x).relu(), None
