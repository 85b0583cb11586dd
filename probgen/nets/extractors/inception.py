"""Features by the Inception-v3 network of papers, from a file of its weights.

The weights are not shipped: the file `pt_inception-2015-12-05-6726825d.pth` of the project
pytorch-fid fits, and so does a safetensors file with the same names.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from probgen.errors import DataError, OptionError
from probgen.nets.extractors.base import NetworkExtractor, as_images
from probgen.nets.extractors.inception_network import InceptionNetwork

__all__ = ["Inception"]

_SIDE, _BATCH, _COUNT = 299, 50, "num_batches_tracked"


class Inception(NetworkExtractor):
    """Inception-v3 features with the weights that papers use.

    Images of any size, grey ones in all three colours, are resized to 299 x 299 bilinearly, edges
    not aligned, without anti-aliasing: the resizing is part of the score.

    Args:
        weights: path of the file.
        low, high: values of black and full colour.

    Raises `OptionError` where the file is missing, cannot be read, or holds other weights.
    """

    def __init__(
        self, weights: str | os.PathLike[str], low: float = -1.0, high: float = 1.0
    ) -> None:
        if not low < high:
            raise OptionError(f"low={low}, high={high}: low must be below high.")
        self.low, self.high = low, high
        with torch.device("meta"):  # weights that nothing is drawn for
            network = InceptionNetwork()
        network.to_empty(device="cpu")
        _fill(network, Path(weights).expanduser())
        super().__init__(network, "Inception-v3 (2015-12-05), bilinear to 299 x 299", _BATCH)

    def logits(self, x: Any) -> Tensor:
        """Logits without bias, (row, 1008)."""
        return self._run(x, 1)

    def probabilities(self, x: Any) -> Tensor:
        """Probabilities of the classes, (row, 1008)."""
        return self.logits(x).double().softmax(dim=1)

    def prepared(self, x: Tensor) -> Tensor:
        """Images in three colours from -1 to 1, (row, 3, 299, 299)."""
        x = as_images(x, self.name)
        if x.shape[1] not in (1, 3):
            raise DataError(f"{self.name}: images of 1 or 3 channels, not {x.shape[1]}.")
        x = (x - self.low) * (2 / (self.high - self.low)) - 1
        x = functional.interpolate(x, (_SIDE, _SIDE), mode="bilinear", align_corners=False)
        return x.expand(-1, 3, -1, -1)


def _fill(network: nn.Module, file: Path) -> None:
    """Put the weights of a file into the network; raises `OptionError`."""
    if not file.is_file():
        raise OptionError(
            f"weights: there is no file {file}. The weights are not shipped with probgen: "
            "pt_inception-2015-12-05-6726825d.pth of the project pytorch-fid fits."
        )
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            weights = load_file(file)
        else:
            weights = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise OptionError(f"weights: {file} cannot be read as weights: {error}") from error
    # counts of training batches are in some files only, and mean nothing here
    counts = {n: torch.zeros_like(w) for n, w in network.state_dict().items() if _COUNT in n}
    own = {n: tuple(w.shape) for n, w in network.state_dict().items() if _COUNT not in n}
    given = {n: tuple(w.shape) for n, w in weights.items() if _COUNT not in n}
    differ = [n for n in {**own, **given} if own.get(n) != given.get(n)]
    if differ:
        name = differ[0]
        raise OptionError(
            f"weights: {file} holds other weights: {name!r} is {given.get(name, 'not there')} in "
            f"it and {own.get(name, 'not there')} in Inception-v3 ({len(differ)} differ)."
        )
    network.load_state_dict({**{n: weights[n] for n in own}, **counts})
