"""Logarithmic axes that can be read whatever they span, from a factor of two to many decades."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["log_axis"]

_MOST_TICKS = 7


def log_axis(axes: Axes, which: str, words: Callable[[float], str]) -> None:
    """Make the axis `which` ("x" or "y") logarithmic, its ticks written by `words`.

    Called when all is drawn: ticks at 1, 2, 5 on a short axis, at decades on a long one.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = sorted(axis.get_view_interval())
    decades = np.log10(high / low)
    subs = (1.0, 2.0, 5.0) if decades < 1.5 else (1.0, 3.0) if decades < 2.5 else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=_MOST_TICKS))
    axis.set_major_formatter(FuncFormatter(lambda value, _: words(value)))
    axis.set_minor_formatter(NullFormatter())
