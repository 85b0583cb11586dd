"""A network as an extractor: in batches, in its mode for evaluation, without gradients."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor, nn

from probgen.errors import DataError

__all__ = ["NetworkExtractor", "as_images", "digest"]

_BATCH = 500


class NetworkExtractor:
    """Features by a network that maps cases to (features, logits); logits may be None.

    Args:
        network: in float32; its features are computed where it is, on a GPU after
            `extractor.network.to("cuda")`.
        name: what scores call it.
        batch: cases at a time.

    """

    def __init__(self, network: nn.Module, name: str, batch: int = _BATCH) -> None:
        self.network = network.eval().requires_grad_(False)
        self.name, self.batch = name, batch
        self.hash = digest(network)

    def features(self, x: Any) -> Tensor:
        """Features of cases (row, ...), (row, feature)."""
        return self._run(x, 0)

    def prepared(self, x: Tensor) -> Tensor:
        """Cases as the network takes them; raises `DataError` for those it cannot take."""
        return x

    def _run(self, x: Any, which: int) -> Tensor:
        try:
            x = torch.as_tensor(x).detach()
        except (TypeError, ValueError, RuntimeError) as error:
            raise DataError(f"{self.name}: cases are an array of numbers: {error}") from error
        if not x.ndim or not len(x):
            raise DataError(f"{self.name}: there are no cases.")
        device = next(iter(self.network.state_dict().values())).device
        with torch.no_grad():
            found = [
                self.network(self.prepared(part.to(device, torch.float32)))[which].cpu()
                for part in x.split(self.batch)
            ]
        return torch.cat(found)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, hash={self.hash!r})"


def as_images(x: Tensor, name: str) -> Tensor:
    """Cases (row, height, width) or (row, channel, height, width) with a channel."""
    if x.ndim == 3:
        return x[:, None]
    if x.ndim != 4:
        raise DataError(
            f"{name}: images (row, height, width) or (row, channel, height, width) were expected, "
            f"not {tuple(x.shape)}."
        )
    return x


def digest(network: nn.Module) -> str:
    """Twelve digits that names, shapes and values of weights decide."""
    found = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        found.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:12]
