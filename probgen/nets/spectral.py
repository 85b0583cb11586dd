"""Spectral normalisation: layers whose linear map stretches nothing.

The weight of a layer is divided by its largest singular value, which one power iteration in each
pass of training keeps up with. A kernel counts as the matrix (outputs, inputs * height * width).
Source: Miyato, Kataoka, Koyama and Yoshida (2018), "Spectral normalization for generative
adversarial networks", ICLR.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

__all__ = ["spectral", "spectral_norms"]

_LAYERS = (nn.Linear, nn.modules.conv._ConvNd, nn.Embedding)

Network = TypeVar("Network", bound=nn.Module)


def spectral(network: Network) -> Network:
    """Normalise every linear, convolutional and embedding layer of a network, in place.

    Layers that are normalised already are left as they are. The trained weight of a layer is
    then `parametrizations.weight.original` in its state.
    """
    for layer in list(network.modules()):
        if isinstance(layer, _LAYERS) and not parametrize.is_parametrized(layer, "weight"):
            parametrizations.spectral_norm(layer)
    return network


def spectral_norms(network: nn.Module) -> dict[str, Tensor]:
    """The largest singular value of every layer's weight, as it is used, by its name."""
    found = {}
    with torch.no_grad():
        for name, layer in network.named_modules():
            if isinstance(layer, _LAYERS):
                weight = layer.weight
                if isinstance(layer, nn.modules.conv._ConvTransposeNd):
                    weight = weight.transpose(0, 1)
                found[name] = torch.linalg.matrix_norm(weight.flatten(1), 2)
    return found
