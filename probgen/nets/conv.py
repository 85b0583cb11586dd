"""Small convolutional encoders and decoders of images that are given as flat rows of pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn

from probgen.errors import OptionError

__all__ = ["ConvDecoder", "ConvEncoder"]

_KERNEL, _STRIDE, _PADDING = 3, 2, 1


class ConvEncoder(nn.Module):
    """Pixels (..., height * width) -> (..., outputs): each layer halves the image.

    Args:
        image: height and width, each at least 2 ** (number of layers - 1) + 1 for every layer to
            see more than one pixel.
        outputs: width of what comes out.
        channels: of the layers.
        activation: what makes a layer's nonlinearity.

    """

    def __init__(
        self,
        image: tuple[int, int],
        outputs: int,
        channels: Sequence[int] = (32, 64),
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        self.image = image
        layers: list[nn.Module] = []
        for low, high in pairwise((1, *channels)):
            layers += [nn.Conv2d(low, high, _KERNEL, _STRIDE, _PADDING), activation()]
        height, width = _sizes(image, len(channels))[-1]
        self.layers = nn.Sequential(
            *layers, nn.Flatten(), nn.Linear(channels[-1] * height * width, outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        """The features of images."""
        images = x.reshape(-1, 1, *self.image)
        return self.layers(images).reshape(*x.shape[:-1], -1)


class ConvDecoder(nn.Module):
    """The way back, (..., inputs) -> (..., each * height * width): each layer doubles the image.

    Args:
        inputs: width of what comes in.
        image: height and width.
        each: numbers for every pixel; those of one kind come out together, as a likelihood's
            parameters do.
        channels: of the layers, from the largest image's to the smallest's.
        activation: what makes a layer's nonlinearity.

    """

    def __init__(
        self,
        inputs: int,
        image: tuple[int, int],
        each: int = 1,
        channels: Sequence[int] = (32, 64),
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        super().__init__()
        sizes = _sizes(image, len(channels))
        height, width = sizes[-1]
        layers: list[nn.Module] = [
            nn.Linear(inputs, channels[-1] * height * width),
            nn.Unflatten(-1, (channels[-1], height, width)),
        ]
        up = [*reversed(channels), each]
        for (low, high), below, above in zip(
            pairwise(up), reversed(sizes[1:]), reversed(sizes[:-1]), strict=True
        ):
            # a doubled side is 2 s - 1 without padding at its end, and 2 s with it
            end = (above[0] - (2 * below[0] - 1), above[1] - (2 * below[1] - 1))
            layers += [
                activation(),
                nn.ConvTranspose2d(low, high, _KERNEL, _STRIDE, _PADDING, end),
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """The parameters of every pixel."""
        return self.layers(z.reshape(-1, z.shape[-1])).reshape(*z.shape[:-1], -1)


def _sizes(image: tuple[int, int], layers: int) -> list[tuple[int, int]]:
    """Heights and widths from the image to the last layer. Raises `OptionError` for no layers."""
    if not layers:
        raise OptionError("channels=(): a convolutional network needs a layer or more.")
    sizes = [image]
    for _ in range(layers):
        height, width = sizes[-1]
        sizes.append((-(-height // 2), -(-width // 2)))
    return sizes
