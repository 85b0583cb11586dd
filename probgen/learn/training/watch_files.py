"""Pictures of watched draws in the folder of a training's store; each is there whole or not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import nn

from probgen.learn.images import as_images, image_grid, image_shape_of, png, point_cloud
from probgen.results.store.files import explained, replace_file

__all__ = ["is_picture", "write_pictures"]

_PREFIX = "watched-"


def is_picture(name: str) -> bool:
    """Whether a file of a store is one of these pictures."""
    return name.startswith(_PREFIX) and name.endswith(".png")


def write_pictures(
    folder: Path,
    step: int,
    model: nn.Module,
    draws: Mapping[str, np.ndarray],
    data: Mapping[str, np.ndarray],
    across: int = 0,
) -> None:
    """A picture of every site whose draws, (case, ...), are images or points in the plane.

    Images stand `across` in a row, those of nothing but NaN being left white; 0 for a square.
    Shades are those of the data's range; a site of which nothing is finite is left out. Raises
    `StoreError`.
    """
    for site, values in draws.items():
        seen = data.get(site, values)
        known = seen[np.isfinite(seen)]
        if not known.size:
            continue
        shape = image_shape_of(model, values.shape[1:])
        if shape is not None:
            pixels = image_grid(as_images(values, shape), known.min(), known.max(), across)
        elif values.shape[1:] == (2,):
            pixels = point_cloud(values[~np.isnan(values).all(1)], seen)
        else:
            continue
        called = re.sub(r"\W", "_", site)
        file = folder / f"{_PREFIX}{step:09d}-{called}.png"
        with explained(file, "written"):
            replace_file(file, png(pixels), file.with_suffix(".partial"))
