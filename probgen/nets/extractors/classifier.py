"""A small classifier, whose last hidden layer are features and whose classes are probabilities."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from probgen.errors import DataError
from probgen.nets.extractors.base import NetworkExtractor

__all__ = ["Classifier", "ClassifierNetwork"]


class ClassifierNetwork(nn.Module):
    """Cases -> (features, logits): convolutions for images, dense layers for vectors.

    Args:
        shape: of a case: (entries,), (height, width) or (channel, height, width).
        classes: how many.
        features: width of the last hidden layer.

    The buffers `lowest`, `highest`, `centre` and `scale` are of the values it was trained on, by
    the last two of which inputs are standardised; `size` is the features' root mean square, by
    which they are divided.

    """

    lowest: Tensor
    highest: Tensor
    centre: Tensor
    scale: Tensor
    size: Tensor

    def __init__(self, shape: tuple[int, ...], classes: int, features: int = 64) -> None:
        super().__init__()
        self.shape = shape
        for name in ("lowest", "highest", "centre"):
            self.register_buffer(name, torch.zeros(()))
        for name in ("scale", "size"):
            self.register_buffer(name, torch.ones(()))
        body: list[nn.Module]
        if len(shape) == 1:
            body = [nn.Linear(shape[0], 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, features)]
        else:
            height, width = (-(-side // 4) for side in shape[-2:])  # two strides of 2
            body = [
                nn.Conv2d(1 if len(shape) == 2 else shape[0], 24, 3, 2, 1),
                nn.ReLU(),
                nn.Conv2d(24, 48, 3, 2, 1),
                nn.ReLU(),
                nn.Flatten(),
                nn.Dropout(0.2),
                nn.Linear(48 * height * width, features),
            ]
        self.body = nn.Sequential(*body, nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(0.2), nn.Linear(features, classes))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features and logits of cases."""
        x = (x - self.centre) / self.scale
        found = self.body(x[:, None] if len(self.shape) == 2 else x)
        return found / self.size, self.head(found)


class Classifier(NetworkExtractor):
    """A trained classifier as an extractor.

    Attributes
    ----------
    accuracy: on rows that it was not trained on.
    labels: what its classes are called in the data, in their order.

    """

    network: ClassifierNetwork

    def __init__(
        self, network: ClassifierNetwork, accuracy: float, labels: Any, name: str = "classifier"
    ) -> None:
        self.accuracy, self.labels = accuracy, labels
        super().__init__(network, f"{name}, held-out accuracy {accuracy:.3f}")

    def logits(self, x: Any) -> Tensor:
        """Logits, (row, class)."""
        return self._run(x, 1)

    def probabilities(self, x: Any) -> Tensor:
        """Probabilities of the classes, (row, class)."""
        return self.logits(x).double().softmax(dim=1)

    def predict(self, x: Any) -> Any:
        """The likeliest label of each case."""
        return self.labels[self.logits(x).argmax(dim=1).numpy()]

    def prepared(self, x: Tensor) -> Tensor:
        """Cases in the shape, and about the range, that it was trained on."""
        shape = self.network.shape
        if x[0].numel() != torch.Size(shape).numel():
            raise DataError(
                f"{self.name}: it was trained on cases of shape {shape}, not {tuple(x.shape[1:])}."
            )
        low, high = float(self.network.lowest), float(self.network.highest)
        least, most, slack = float(x.min()), float(x.max()), (high - low) / 2
        if least < low - slack or most > high + slack:
            raise DataError(
                f"{self.name}: values from {least:.3g} to {most:.3g} where it was trained on "
                f"{low:.3g} to {high:.3g}; put them on its scale."
            )
        return x.reshape(-1, *shape)
