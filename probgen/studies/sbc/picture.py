"""The picture of a calibration study: rank ECDFs less the uniform one, with bands; coverage.

Inside the dark band lies the whole curve of one uniform quantity with 95 % probability, inside
the light one those of all shown and not shown together. Drawn without pyplot: no global state.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from probgen.studies.ecdf import band, counts_below
from probgen.studies.sbc.statistics import Scalar
from probgen.studies.sbc.verdict import LEVEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from probgen.studies.calibration import Calibration

__all__ = ["draw"]

GOOD, BAD, INK, BAND = "#3b6ea8", "#c0392b", "#333333", "#9bb4d0"
COLUMNS = 3
STYLE = {"font.size": 8, "axes.titlesize": 8, "axes.spines.top": False, "axes.spines.right": False,
         "axes.edgecolor": "#888888", "text.color": INK, "axes.labelcolor": INK}  # fmt: skip


def draw(study: Calibration, most: int) -> Figure:
    """A grid of ECDF differences, worst scalars first, and a last panel with coverage."""
    import matplotlib
    from matplotlib.figure import Figure

    order = study.worst[:most]
    by_name = {scalar.name: scalar for scalar in study.scalars}
    rows = max(1, math.ceil((len(order) + 1) / COLUMNS))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10, 0.7 + 2.3 * rows), layout="constrained", dpi=130)
        axes = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
        for axis, name in zip(axes, order, strict=False):
            p = float(study.table.loc[name, "p_adjusted"])
            _ecdf(axis, by_name[name], study, p)
        _coverage(axes[len(order)], study)
        for axis in axes[len(order) + 1 :]:
            axis.set_axis_off()
        colour = "#228833" if study.passed else BAD
        figure.suptitle(study.verdict.headline, x=0.01, ha="left", fontsize=9.5, color=colour)
    return figure


def _ecdf(axis: Axes, scalar: Scalar, study: Calibration, p: float) -> None:
    largest, count = study.largest, len(scalar.ranks)
    at = np.arange(1, largest + 1) / (largest + 1)
    x = np.concatenate([[0], at, [1]])
    single, joint = 0.95, 1 - 0.05 / len(study.scalars)
    for probability, alpha in ((joint, 0.3), (single, 0.55)):
        lower, upper = band(count, largest, probability)
        ends = [np.concatenate([[0], edge / count - at, [0]]) for edge in (lower, upper)]
        axis.fill_between(x, ends[0], ends[1], color=BAND, alpha=alpha, linewidth=0, step="mid")
    curve = np.concatenate([[0], counts_below(scalar.ranks, largest) / count - at, [0]])
    axis.plot(x, curve, color=BAD if p < LEVEL else GOOD, linewidth=1.3)
    axis.axhline(0, color="#888888", linewidth=0.6)
    shape = study.table.loc[scalar.name, "shape"]
    axis.set_title(f"{scalar.name}   p = {p:.2g}" + (f"   {shape}" if p < LEVEL else ""))
    axis.set_xlabel("rank / (L + 1)")
    axis.set_ylabel("ECDF - uniform")
    axis.set_xlim(0, 1)


def _coverage(axis: Axes, study: Calibration) -> None:
    """Coverage less the nominal one of every scalar, with two binomial standard errors."""
    if not len(study.coverage):
        axis.set_axis_off()
        return
    table = study.coverage.reset_index()
    bad = set(study.table.index[study.table["p_adjusted"] < LEVEL])
    intervals = sorted(table["interval"].unique())
    rng = np.random.default_rng(0)
    for k, interval in enumerate(intervals):
        rows = table[table["interval"] == interval]
        error, nominal = float(rows["error"].iloc[0]), float(rows["nominal"].iloc[0])
        axis.fill_between([k - 0.35, k + 0.35], -2 * error, 2 * error, color=BAND, linewidth=0)
        x = k + rng.uniform(-0.22, 0.22, len(rows)) * (len(rows) > 1)
        colours = [BAD if name in bad else GOOD for name in rows["quantity"]]
        axis.scatter(x, rows["coverage"] - nominal, s=9, c=colours, zorder=3, linewidth=0)
    axis.axhline(0, color="#888888", linewidth=0.6)
    axis.set_xticks(range(len(intervals)), [f"{100 * i:g} %" for i in intervals])
    axis.set_title("coverage - nominal (band: 2 standard errors)")
    axis.set_xlabel("central interval")
