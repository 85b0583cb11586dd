"""Pictures of a comparison: draws of all models side by side, metrics beside the floor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from probgen.diagnose.report.grids import draw_images
from probgen.diagnose.report.svg import PALETTE, picture_style
from probgen.learn.images import as_images, image_shape_of
from probgen.studies.fit_page.shown import scatter
from probgen.studies.generative.result import FLOOR, heading_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from probgen.studies.generative.result import GenerativeComparison

__all__ = ["figures", "quality_figure", "samples_figure", "samples_in_words"]

_ACROSS = 16


def figures(comparison: GenerativeComparison) -> dict[str, Figure]:
    """By name, each open in matplotlib."""
    from matplotlib import pyplot

    with pyplot.ioff(), picture_style():
        return {"samples": samples_figure(comparison), "quality": quality_figure(comparison)}


def samples_figure(comparison: GenerativeComparison) -> Any:
    """Images: a row for each model, the data first; points and columns: a panel for each."""
    values = comparison.tree["samples"].to_dataset()["value"]
    names = [str(name) for name in values["model"].values]
    rows = values.values.astype(float)
    shape = image_shape_of(None, rows.shape[2:])
    if shape is not None:
        some = rows[:, :_ACROSS]
        images = as_images(some.reshape(-1, *rows.shape[2:]), shape)
        return draw_images(images.reshape(len(names), _ACROSS, *images.shape[1:]), rows=names)
    return _panels(names, rows)


def samples_in_words(comparison: GenerativeComparison) -> str:
    """What is to be seen in the picture of draws, in numbers."""
    values = comparison.tree["samples"].to_dataset()["value"]
    told = []
    for name, rows in zip(values["model"].values, values.values, strict=True):
        known = rows[np.isfinite(rows)]
        told.append(
            f"{name}: mean {known.mean():.3g}, deviation {known.std():.3g}"
            if known.size
            else f"{name}: no draws"
        )
    return "; ".join(told) + "."


def quality_figure(comparison: GenerativeComparison) -> Any:
    """A panel for each metric: a dot for every set of draws, the data's own as a band."""
    from matplotlib import pyplot

    quality = comparison.tree["quality"].to_dataset()
    names = [str(name) for name in quality["model"].values if name != FLOOR]
    metrics = comparison.metrics
    across = min(len(metrics), 4)
    down = -(-len(metrics) // across)
    size = (2.4 * across + 0.8, down * (1.0 + 0.24 * len(names)))
    figure, grid = pyplot.subplots(down, across, figsize=size, squeeze=False, sharey=True)
    for axes in grid.flat[len(metrics) :]:
        axes.set_axis_off()
    for axes, metric in zip(grid.flat, metrics, strict=False):
        floor = quality[metric].sel(model=FLOOR).values
        if np.isfinite(floor).any():
            axes.axvspan(np.nanmin(floor), np.nanmax(floor), color=PALETTE[7], alpha=0.3)
            axes.axvline(np.nanmean(floor), color=PALETTE[7], linewidth=1)
        for place, name in enumerate(names):
            dots = quality[metric].sel(model=name).values
            axes.plot(dots, np.full(len(dots), place), "o", color=PALETTE[0], markersize=4)
        axes.set_title(heading_of(metric))
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
    return figure


def _panels(names: list[str], rows: np.ndarray) -> Any:
    from matplotlib import pyplot

    across = min(len(names), 4)
    down = -(-len(names) // across)
    figure, grid = pyplot.subplots(down, across, figsize=(2.0 * across, 2.0 * down), squeeze=False)
    for axes in grid.flat[len(names) :]:
        axes.set_axis_off()
    data = rows[names.index(FLOOR)].reshape(rows.shape[1], -1)
    data = data[np.isfinite(data).all(axis=1)]
    for axes, name, values in zip(grid.flat, names, rows, strict=False):
        flat = values.reshape(len(values), -1)
        flat = flat[np.isfinite(flat).all(axis=1)]
        axes.set_title(name)
        if flat.shape[1] == 1:
            bins = np.histogram_bin_edges(np.concatenate([flat, data]), 20)
            axes.hist(data[:, 0], bins, density=True, color=PALETTE[7], alpha=0.45)
            axes.hist(flat[:, 0], bins, density=True, histtype="step", color=PALETTE[0])
        else:
            scatter(axes, flat[:, :2], data[:, :2])
    return figure
