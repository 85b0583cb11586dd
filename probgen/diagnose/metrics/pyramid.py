"""Sliced Wasserstein distance of patches, level by level of a Laplacian pyramid.

Source: Karras et al. (2018), progressive growing of GANs; Burt and Adelson (1983) for the pyramid.
Coarse levels see the arrangement, fine ones the texture; a distance alike on all levels says that
generated images are right at every scale.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from probgen.diagnose.metrics.features import Features, as_array, both, check_finite
from probgen.diagnose.metrics.score import Score, score
from probgen.diagnose.metrics.settings import check_seed, check_whole
from probgen.diagnose.metrics.sliced import along_directions
from probgen.errors import DataError

__all__ = ["patch_distances"]

_PATCH, _SMALLEST, _SCALE = 7, 16, 1e3


def patch_distances(
    real: Any,
    fake: Any,
    patches: int = 32,
    directions: int = 256,
    seed: int = 0,
) -> dict[int, Score]:
    """Distances of 7 x 7 patches by the side of the level, times 1000, as in the paper.

    Args:
        real, fake: square images (row, height, width) or (row, channel, height, width) whose side
            is 16 times a power of two; patches are standardised per channel.
        patches: taken of an image at each level, at random places.
        directions: of the distances.
        seed: of places and directions.

    Raises `DataError` for other images, and for fewer than 20 rows.
    """
    check_seed(seed)
    check_whole(1, patches=patches)
    check_whole(2, directions=directions)
    x, y = both(real, fake, None, "patch distances", least=20)
    levels = [_pyramid(side, name) for side, name in ((real, "real"), (fake, "fake"))]
    found = {}
    for first, second in zip(*levels, strict=True):
        rng = np.random.default_rng(seed)
        rows = [_descriptors(level, patches, rng) for level in (first, second)]
        distances = _SCALE * along_directions(rows[0], rows[1], directions, seed)
        error = (float(distances.std(ddof=1)) / directions**0.5, "s.e. over directions")
        side = first.shape[-1]
        settings = {"side": side, "patches": patches, "directions": directions, "seed": seed}
        wide = [Features(np.empty((len(s), rows[0].shape[1]))) for s in (x, y)]
        name = f"patch distance, side {side}"
        mean = float(distances.mean())
        found[side] = score(name, mean, "lower", wide[0], wide[1], settings, error=error)
    return found


def _pyramid(x: Any, side: str) -> list[Tensor]:
    """Levels from the finest: what each loses when halved, and what is left at side 16."""
    values = as_array(x, side)
    check_finite(values, side)
    images = torch.as_tensor(values).double()
    images = images[:, None] if images.ndim == 3 else images
    size = images.shape[-1]
    fits = images.ndim == 4 and images.shape[-2] == size and size % _SMALLEST == 0
    if not fits or (size // _SMALLEST) & (size // _SMALLEST - 1):
        raise DataError(
            f"patch distances: {side} is of shape {tuple(values.shape)}; square images with a "
            "side of 16, 32, 64, ... were expected."
        )
    levels = []
    while images.shape[-1] > _SMALLEST:
        smaller = _blurred(images)[..., ::2, ::2]
        spread = torch.zeros_like(images)
        spread[..., ::2, ::2] = 4 * smaller
        levels.append(images - _blurred(spread))
        images = smaller
    return [*levels, images]


def _blurred(images: Tensor) -> Tensor:
    """Burt and Adelson's 5 x 5 binomial filter."""
    line = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], dtype=images.dtype) / 16
    channels = images.shape[1]
    kernel = (line[:, None] * line[None]).expand(channels, 1, 5, 5)
    padded = functional.pad(images, (2, 2, 2, 2), mode="reflect")
    return functional.conv2d(padded, kernel, groups=channels)


def _descriptors(level: Tensor, patches: int, rng: np.random.Generator) -> np.ndarray:
    """Patches at random places, (row * patch, entry), standardised in each channel."""
    images = level.numpy()
    rows = np.repeat(np.arange(len(images)), patches)
    places = rng.integers(images.shape[-1] - _PATCH + 1, size=(2, len(rows)))
    down, right = (places[i][:, None] + np.arange(_PATCH) for i in (0, 1))
    found = images[rows[:, None, None], :, down[:, :, None], right[:, None, :]]
    found = found - found.mean(axis=(0, 1, 2))
    return (found / np.maximum(found.std(axis=(0, 1, 2)), 1e-12)).reshape(len(rows), -1)
