"""Which values are images, and pictures of them as PNG, without a plotting library."""

from __future__ import annotations

import struct
import zlib
from math import isqrt, prod
from typing import Any

import numpy as np

from probgen.errors import OptionError

__all__ = ["as_images", "image_grid", "image_shape_of", "png", "point_cloud"]

_SMALLEST_SIDE = 4
"""Of a square that is taken for an image unasked."""
_PIXELS = 240
"""Of the side of a picture of points."""


def image_shape_of(model: Any, shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """(channels, height, width) of a value of this shape, None where it is no image.

    The model's `image_shape`, (height, width) or with channels before, says so of rows of pixels;
    else a square number of entries, from 4x4, is an image; so is (1 or 3, height, width).
    """
    said = getattr(model, "image_shape", None)
    if said is not None and len(shape) == 1 and prod(said) == prod(shape):
        return (1, *said) if len(said) == 2 else tuple(said)
    if len(shape) == 1:
        side = isqrt(shape[0])
        return (1, side, side) if side >= _SMALLEST_SIDE and side * side == shape[0] else None
    if len(shape) == 2 and min(shape) >= _SMALLEST_SIDE:
        return (1, *shape)
    if len(shape) == 3 and shape[0] in (1, 3) and min(shape[1:]) >= _SMALLEST_SIDE:
        return (shape[0], shape[1], shape[2])
    return None


def as_images(values: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Values (case, ...) as (case, height, width), or (case, height, width, 3) of colours."""
    images = np.asarray(values, dtype=float).reshape(len(values), *shape)
    return images[:, 0] if shape[0] == 1 else np.moveaxis(images, 1, -1)


def image_grid(images: np.ndarray, low: float, high: float, across: int = 0) -> np.ndarray:
    """Images (case, height, width[, 3]) side by side, bytes: white at `low`, black at `high`.

    Colours are as they are, dark at `low`. Between images is white, and so is an image of nothing
    but NaN; else what is not a number is as 0 is. Raises `OptionError` unless `low` is at most
    `high`.
    """
    if not low <= high:
        raise OptionError(f"image_grid(low={low}, high={high}): low must be at most high.")
    count, height, width = images.shape[:3]
    across = across or -(-count // max(isqrt(count), 1))
    down = -(-count // across)
    scaled = np.clip(
        (np.nan_to_num(images, posinf=high, neginf=low) - low) / max(high - low, 1e-12), 0, 1
    )
    scaled = scaled if images.ndim == 4 else 1 - scaled
    canvas = np.ones((down * (height + 1) + 1, across * (width + 1) + 1, *images.shape[3:]))
    for number, image in enumerate(scaled):
        if np.isnan(images[number]).all():
            continue
        row, column = divmod(number, across)
        top, left = row * (height + 1) + 1, column * (width + 1) + 1
        canvas[top : top + height, left : left + width] = image
    factor = max(1, round(480 / canvas.shape[1]))
    return (255 * canvas).round().astype(np.uint8).repeat(factor, 0).repeat(factor, 1)


def point_cloud(draws: np.ndarray, data: np.ndarray) -> np.ndarray:
    """Draws, (case, 2), dark over data, (case, 2), light grey, as bytes of a square picture.

    The window is that of the data, a tenth wider on each side; draws beyond it stand at its edge.
    """
    low, high = np.nanmin(data, 0), np.nanmax(data, 0)
    margin = 0.1 * np.maximum(high - low, 1e-12)
    canvas = np.full((_PIXELS, _PIXELS), 255, dtype=np.uint8)
    for points, shade, size in ((data, 190, 1), (draws, 0, 1)):
        place = (np.nan_to_num(points) - low + margin) / (high - low + 2 * margin + 1e-12)
        column, row = (np.clip(place, 0, 1) * (_PIXELS - 1)).astype(int).T
        for down in range(-size, size + 1):
            for right in range(-size, size + 1):
                at = np.clip(_PIXELS - 1 - row + down, 0, _PIXELS - 1)
                canvas[at, np.clip(column + right, 0, _PIXELS - 1)] = shade
    return canvas.repeat(2, 0).repeat(2, 1)


def png(pixels: np.ndarray) -> bytes:
    """Bytes (height, width) or (height, width, 3) as a PNG file (W3C PNG specification, 2003)."""
    height, width = pixels.shape[:2]
    kind = 2 if pixels.ndim == 3 else 0  # colour, or grey

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)

    rows = pixels.reshape(height, -1)
    unfiltered = np.concatenate([np.zeros((height, 1), np.uint8), rows], 1).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(unfiltered, 6))
        + chunk(b"IEND", b"")
    )
