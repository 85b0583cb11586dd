"""Figures of what a program with latents has learned, for notebooks and papers (matplotlib)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from probgen.diagnose.report.grids import draw_images
from probgen.learn.training.probe import arguments_of, prior_shapes
from probgen.learn.training.source import read_rows
from probgen.studies.latents.sheets import (
    Sheet,
    reconstruction_sheet,
    sample_sheet,
    traversal_sheet,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

__all__ = ["plot_reconstructions", "plot_samples", "plot_traversals"]


def plot_samples(model: Any, rows: int = 4, columns: int = 16, seed: int = 0) -> Figure:
    """Images drawn from a program: their means given latents drawn from the prior.

    `model` is a trained module whose image is a square, or that says its `image_shape` (height,
    width). Raises `ModelError`.
    """
    return _figure(sample_sheet(model, rows, columns, seed))


def plot_reconstructions(model: Any, data: Any, columns: int = 16) -> Figure:
    """The first cases of `data`, and below each what the program makes of its mean latents.

    Raises `DataError`, `ModelError`.
    """
    return _figure(reconstruction_sheet(model, _read(model, data, columns), columns))


def plot_traversals(model: Any, data: Any, case: int = 0, columns: int = 11) -> Figure:
    """A case of `data` decoded again and again while one of its latents changes, a row for each.

    Real latents go from -2.5 to 2.5, those first whose mean differs most between cases; discrete
    ones through their states. Raises `DataError`, `ModelError`.
    """
    return _figure(traversal_sheet(model, _read(model, data, None), case, columns))


def _read(model: Any, data: Any, most: int | None) -> dict[str, Tensor]:
    import torch

    rows = read_rows(data, arguments_of(model), prior_shapes(model))
    count = len(rows) if most is None else min(most, len(rows))
    found = rows.take(torch.arange(count))
    kind = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)
    return {n: v.to(kind) if v.dtype.is_floating_point else v for n, v in found.items()}


def _figure(sheet: Sheet) -> Figure:
    from matplotlib import pyplot

    from probgen.diagnose.report.svg import picture_style

    with pyplot.ioff(), picture_style():
        figure: Figure = draw_images(sheet.images, rows=sheet.rows)
    return figure
