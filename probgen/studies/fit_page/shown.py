"""Rows as a picture: images in a grid, points in the plane over data, columns as histograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from probgen.diagnose.report.grids import image_rows
from probgen.diagnose.report.pictures import Picture, drawn
from probgen.diagnose.report.svg import PALETTE
from probgen.learn.images import as_images, image_shape_of

__all__ = ["ACROSS", "image_picture", "kind_of", "picture_of_rows", "scatter"]

ACROSS = 16
"""Images in a row."""
_MOST_POINTS, _MOST_COLUMNS = 2000, 12


def kind_of(model: Any, shape: tuple[int, ...]) -> str:
    """What values of this shape are shown as: "images", "points" or "columns"."""
    if image_shape_of(model, shape) is not None:
        return "images"
    return "points" if shape == (2,) else "columns"


def picture_of_rows(
    model: Any,
    prefix: str,
    site: str,
    draws: np.ndarray,
    data: np.ndarray | None,
) -> Picture:
    """Draws of a site, (case, ...), beside the data's where they are known."""
    kind, shape = kind_of(model, draws.shape[1:]), image_shape_of(model, draws.shape[1:])
    if shape is not None:
        images = as_images(draws, shape)
        return image_picture(f"Draws of {site}", prefix, images, "Draws, one like another.")
    beside = "" if data is None else " The data in grey."
    if kind == "points":
        seen = f"{len(draws)} points, mean {_pair(draws.mean(0))}, deviation {_pair(draws.std(0))}"
        seen += (
            "." if data is None else f"; of the data {_pair(data.mean(0))}, {_pair(data.std(0))}."
        )
        caption = f"Every dot is a draw.{beside}"
        return drawn(f"Draws of {site}", prefix, lambda: _points(draws, data), caption, seen)
    flat = draws.reshape(len(draws), -1)
    known = None if data is None else data.reshape(len(data), -1)
    count = min(flat.shape[1], _MOST_COLUMNS)
    of = f" The first {count} of {flat.shape[1]} columns." if count < flat.shape[1] else ""
    seen = "; ".join(
        f"column {i}: mean {flat[:, i].mean():.3g}"
        + ("" if known is None else f", of the data {np.nanmean(known[:, i]):.3g}")
        for i in range(count)
    )
    caption = f"Histograms of columns, of draws in colour.{beside}{of}"
    return drawn(
        f"Draws of {site}", prefix, lambda: _columns(flat, known, count), caption, seen + "."
    )


def image_picture(
    title: str,
    prefix: str,
    images: np.ndarray,
    caption: str,
    *,
    across: int = ACROSS,
    rows: Sequence[str] = (),
    labels: Sequence[str] = (),
) -> Picture:
    """Images (case, height, width[, 3]) in rows of `across`; NaN in the places that are left.

    `rows` names the rows, `labels` stand below the images.
    """
    down = -(-len(images) // across)
    padded = np.full((down * across, *images.shape[1:]), np.nan)
    padded[: len(images)] = images
    there = int((~np.isnan(images).all(axis=tuple(range(1, images.ndim)))).sum())
    seen = (
        f"{there} images of {images.shape[1]} x {images.shape[2]} pixels, mean "
        f"{np.nanmean(images):.3g}, deviation {np.nanstd(images):.3g}."
    )
    grid = padded.reshape(down, across, *images.shape[1:])
    return image_rows(title, prefix, grid, caption, seen, rows=rows, below=labels, wide=True)


def _points(draws: np.ndarray, data: np.ndarray | None) -> Any:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(4.6, 4.2))
    scatter(axes, draws, data)
    return figure


def scatter(axes: Any, draws: np.ndarray, data: np.ndarray | None) -> None:
    """Points over data; the window is the data's, so that a stray draw does not shrink all."""
    if data is not None:
        known = data[:_MOST_POINTS]
        axes.scatter(*known.T, s=7, color=PALETTE[7], alpha=0.25, linewidths=0, rasterized=True)
        low, high = np.nanmin(data, 0), np.nanmax(data, 0)
        wide = 0.15 * np.maximum(high - low, 1e-9)
        axes.set_xlim(low[0] - wide[0], high[0] + wide[0])
        axes.set_ylim(low[1] - wide[1], high[1] + wide[1])
    some = draws[:_MOST_POINTS]
    size = 7 if len(some) > 200 else 14
    axes.scatter(*some.T, s=size, color=PALETTE[0], alpha=0.8, linewidths=0, rasterized=True)


def _columns(draws: np.ndarray, data: np.ndarray | None, count: int) -> Any:
    from matplotlib import pyplot

    across = min(count, 4)
    down = -(-count // across)
    figure, grid = pyplot.subplots(down, across, figsize=(1.9 * across, 1.6 * down), squeeze=False)
    for number, axes in enumerate(grid.flat):
        if number >= count:
            axes.set_axis_off()
            continue
        column = draws[:, number]
        known = None if data is None else data[:, number][~np.isnan(data[:, number])]
        both = column if known is None else np.concatenate([column, known])
        bins = np.histogram_bin_edges(both[np.isfinite(both)], 30)
        if known is not None:
            axes.hist(known, bins, density=True, color=PALETTE[7], alpha=0.45)
        axes.hist(column, bins, density=True, histtype="step", color=PALETTE[0], linewidth=1.4)
        axes.set_title(str(number))
        axes.set_yticks([])
    return figure


def _pair(numbers: np.ndarray) -> str:
    return f"({', '.join(f'{x:.2g}' for x in numbers)})"
