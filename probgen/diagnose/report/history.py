"""Curves of a training: every metric over steps or epochs, training and validation together."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from probgen.diagnose.report.pictures import Picture, drawn
from probgen.diagnose.report.svg import PALETTE

__all__ = ["pictures_of_history"]

VALIDATION = "validation_"
_SMOOTHED = 100
"""Points from which a running mean is drawn over a curve."""
_MOST_POINTS = 2000
_LEFT_OUT = {"seconds"}


def pictures_of_history(tree: xr.DataTree) -> list[Picture]:
    """A picture of every metric of the group `history` that varies.

    Metrics that only watch the training (the attribute `monitor`) are called monitors.
    """
    history = tree["history"].to_dataset()
    grouped: dict[str, list[xr.DataArray]] = {}
    for name, array in history.data_vars.items():
        if array.ndim == 1 and str(name) not in _LEFT_OUT and _varies(array):
            grouped.setdefault(str(name).removeprefix(VALIDATION), []).append(array)
    return [
        _picture(number, metric, curves)
        for number, (metric, curves) in enumerate(grouped.items(), start=1)
    ]


def _varies(array: xr.DataArray) -> bool:
    finite = array.values[np.isfinite(array.values)]
    return bool(finite.size > 1 and np.ptp(finite) > 0)


def _picture(number: int, metric: str, curves: list[xr.DataArray]) -> Picture:
    attrs = curves[0].attrs
    words = str(attrs.get("long_name", metric.replace("_", " ")))
    units = str(attrs.get("units", ""))
    title = metric.replace("_", " ")
    if attrs.get("monitor"):
        title += " (monitor)"
        words += "" if "not a likelihood" in words else "; a monitor, not a likelihood"
    return drawn(
        title,
        f"history-{number}",
        lambda: _draw(metric, curves, units),
        f"{words[:1].upper()}{words[1:]}." + (f" In {units}." if units not in ("", "1") else ""),
        " ".join(_seen(array) for array in curves),
    )


def _seen(array: xr.DataArray) -> str:
    dim, (at, values) = str(array.dims[0]), _known(array)
    word = "step" if dim == "look" else dim
    return (
        f"{str(array.name).replace('_', ' ')}: {values[0]:.4g} at {word} {at[0]}, "
        f"{values[-1]:.4g} at {word} {at[-1]}; "
        f"lowest {values.min():.4g}, highest {values.max():.4g}."
    )


def _known(array: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    """Where a metric was taken, and its values: those that are not finite are left out."""
    dim, values = str(array.dims[0]), array.values
    at = array[dim].values if dim in array.coords else np.arange(1, len(values) + 1)
    known = np.isfinite(values)
    return at[known], values[known]


def _draw(metric: str, curves: list[xr.DataArray], units: str) -> Any:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5.6, 2.5))
    epochs = {str(array.dims[0]) for array in curves} == {"epoch"}
    ends = [float(array[array.dims[0]].values[-1]) for array in curves]
    for number, array in enumerate(curves):
        dim = str(array.dims[0])
        at, values = _known(array)
        at = at.astype(float)
        if not epochs and dim == "epoch":  # beside curves over steps
            at = at * max(ends) / ends[number]
        step = -(-len(at) // _MOST_POINTS)
        at, values, colour = at[::step], values[::step], PALETTE[number % len(PALETTE)]
        held_out = str(array.name).startswith(VALIDATION)
        label = "validation" if held_out else "training"
        if len(at) > _SMOOTHED:
            axes.plot(at, values, color=colour, linewidth=0.6, alpha=0.4)
            width = max(3, len(at) // 40)
            smooth = np.convolve(values, np.full(width, 1 / width), "valid")
            middle = at[(width - 1) // 2 :][: len(smooth)]
            axes.plot(middle, smooth, color=colour, linewidth=1.6, label=label)
        else:
            axes.plot(at, values, color=colour, linewidth=1.6, label=label)
    axes.set_xlabel("epoch" if epochs else "step")
    axes.set_ylabel(units if units not in ("", "1") else "")
    if len(curves) > 1:
        axes.legend()
    return figure
