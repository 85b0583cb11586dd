"""Images in rows, and matrices as heat maps: one raster each, so that pages stay small."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from probgen.diagnose.report.pictures import Picture, drawn

__all__ = ["draw_images", "heat_map", "image_rows"]

_WIDTH = 7.0
"""Inches, at most."""
_TILE = 0.55
"""Inches of an image, at most."""
_UNKNOWN = (0.27, 0.47, 0.67, 0.45)
"""Of pixels that are NaN: red, green, blue, opacity."""
_SIGNED, _MOST_SHARE = "RdBu_r", 0.995


def image_rows(
    title: str,
    prefix: str,
    images: np.ndarray,
    caption: str,
    seen: str,
    *,
    signed: bool = False,
    rows: Sequence[str] = (),
    below: Sequence[str] = (),
    wide: bool = False,
) -> Picture:
    """Images (row, column, height, width), or with a last dimension of three colours, in rows.

    Greys go from the smallest number to the largest, NaN is blue, an image of nothing but NaN is
    left out; `signed` numbers are red where positive and blue where negative, with a colour bar.
    `rows` names the rows, `below` stands under each image in the order of reading.
    """

    def draw() -> Any:
        return draw_images(images, signed, rows, below)

    return drawn(title, prefix, draw, caption, seen, wide)


def heat_map(
    title: str,
    prefix: str,
    matrix: np.ndarray,
    caption: str,
    seen: str,
    *,
    across: str,
    names: Sequence[str] = (),
) -> Picture:
    """A matrix of signed numbers, `names` of its rows where they are few; `across` its columns."""

    def draw() -> Any:
        from matplotlib import pyplot

        tall = min(0.9 + 0.16 * len(matrix), 6.0)
        figure, axes = pyplot.subplots(figsize=(5.6, tall))
        most = _most(matrix)
        shown = axes.imshow(
            matrix, cmap=_SIGNED, vmin=-most, vmax=most, aspect="auto", interpolation="nearest"
        )
        if 0 < len(names) <= 40:
            axes.set_yticks(range(len(names)), [str(name) for name in names], fontsize=7.5)
        axes.set_xlabel(across)
        figure.colorbar(shown, ax=axes, shrink=0.8)
        return figure

    return drawn(title, prefix, draw, caption, seen)


def draw_images(
    images: np.ndarray, signed: bool = False, rows: Sequence[str] = (), below: Sequence[str] = ()
) -> Any:
    """The figure of `image_rows`."""
    from matplotlib import pyplot
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    down, across, height, width = images.shape[:4]
    most = _most(images)
    low, high = (-most, most) if signed else (np.nanmin(images), np.nanmax(images))
    colours = ScalarMappable(Normalize(low, high if high > low else low + 1), _SIGNED)
    if not signed:
        colours.set_cmap("Greys")
    gap = 1 + max(height, width) // 16
    label = gap + max(height, width) // 3 if below else gap
    canvas = np.zeros((down * (height + label), across * (width + gap), 4))
    for row in range(down):
        for column in range(across):
            image = images[row, column]
            if np.isnan(image).all():
                continue
            if image.ndim == 3:
                scaled = np.clip((image - low) / max(high - low, 1e-12), 0, 1)
                tile = np.concatenate([scaled, np.ones((height, width, 1))], -1)
            else:
                tile = colours.to_rgba(image)
                tile[np.isnan(image)] = _UNKNOWN
            top, left = row * (height + label), column * (width + gap)
            canvas[top : top + height, left : left + width] = tile
    side = min(_TILE, _WIDTH / across)
    size = (
        across * side + 1.1 * bool(rows) + 0.6 * signed,
        down * side * (height + label) / width,
    )
    figure, axes = pyplot.subplots(figsize=(max(size[0], 2.0), size[1] + 0.1))
    axes.imshow(canvas, interpolation="nearest")
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.set_yticks(
        [row * (height + label) + height / 2 for row in range(down)] if rows else [], rows
    )
    axes.tick_params(length=0)
    for number, text in enumerate(below):
        row, column = divmod(number, across)
        place = (column * (width + gap) + width / 2, row * (height + label) + height)
        axes.annotate(text, place, ha="center", va="top", fontsize=7)
    if signed:
        figure.colorbar(colours, ax=axes, shrink=0.8)
    return figure


def _most(numbers: np.ndarray) -> float:
    """The size of all but the few largest numbers, for a scale that these do not spoil."""
    finite = np.abs(numbers[np.isfinite(numbers)])
    return max(float(np.quantile(finite, _MOST_SHARE)), 1e-9) if finite.size else 1.0
