"""Pictures of a comparison: errors, effective draws per cost, and error against cost.

Figures are made without pyplot, so that nothing is kept and no window opens. Every method has
one colour and one marker throughout (the report's palette, which the colour-blind can read).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from probgen.diagnose.report.svg import MUTED, PALETTE
from probgen.studies.compare.render import method_of
from probgen.studies.compare.summary import GOOD, is_of_states
from probgen.studies.compare.ticks import log_axis
from probgen.studies.compare.units import duration, thousands

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from probgen.studies.compare.result import Comparison

__all__ = ["alt_texts", "figures"]

_MARKERS = "osD^vPX*"
_ERRORS = {
    "error_mean_worst": "means",
    "error_sd_worst": "sds",
    "error_quantile_worst": "quantiles",
    "total_variation_worst": "marginals",
}
_NO_ERROR = 1e-9
_WIDTH, _ROW = 8.0, 0.42  # inches


def figures(comparison: Comparison) -> dict[str, Figure]:
    """Pictures by name; those for which there is nothing to show are left out."""
    found = {}
    if "errors" in comparison.tree.children:
        found["errors"] = _errors(comparison)
    if comparison.runs["status"].eq("done").any():
        found["efficiency"] = _efficiency(comparison)
    if "curves" in comparison.tree.children:
        found["curves"] = _curves(comparison)
    return found


def alt_texts(comparison: Comparison) -> dict[str, str]:
    """What each picture shows, for those who cannot see it."""
    best = comparison.best or "none"
    return {
        "errors": "Worst error of every method against the reference; a dot for every run.",
        "efficiency": "Effective draws of the worst scalar per second, and per gradient, of every "
        f"method, warm-up charged. Best overall: {best}.",
        "curves": "Error of the means against seconds and gradients as the number of draws grows.",
    }


def _styles(comparison: Comparison) -> dict[str, dict[str, Any]]:
    methods = comparison.runs["method"].unique()
    return {
        method: {
            "color": PALETTE[i % len(PALETTE)],
            "marker": _MARKERS[i % len(_MARKERS)],
        }
        for i, method in enumerate(methods)
    }


def _runs_of(comparison: Comparison, row: pd.Series) -> pd.DataFrame:
    """Finished runs of a line of the table."""
    runs = comparison.runs
    chosen = runs[(runs["method"] == row["method"]) & (runs["status"] == "done")]
    budget = row.get("budget")
    return chosen if budget is None or pd.isna(budget) else chosen[chosen["budget"] == budget]


def _frame(rows: int, panels: int) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(_WIDTH, 1.3 + _ROW * rows), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False, sharey=True)[0]
    for axis in axes:
        axis.grid(True, axis="x", alpha=0.3, which="major")
        axis.spines[["top", "right"]].set_visible(False)
    return figure, list(axes)


def _name_rows(axis: Axes, table: pd.DataFrame) -> None:
    axis.set_yticks(range(len(table)), [method_of(row) for _, row in table.iterrows()])
    axis.set_ylim(len(table) - 0.5, -0.5)


def _nothing(axis: Axes, place: int, text: str) -> None:
    axis.text(*(0.02, place, text), transform=axis.get_yaxis_transform(), va="center", color=MUTED)


def _errors(comparison: Comparison) -> Figure:
    table = comparison.table
    kinds = [name for name in _ERRORS if name in comparison.runs and name in table]
    figure, (axis,) = _frame(len(table), 1)
    for place, (_, row) in enumerate(table.iterrows()):
        runs = _runs_of(comparison, row)
        if runs.empty:
            _nothing(axis, place, "failed")
        for number, name in enumerate(kinds):
            height = place + 0.22 * (number - (len(kinds) - 1) / 2)
            style: dict[str, Any] = {"color": PALETTE[number], "marker": _MARKERS[number]}
            values = runs[name].to_numpy(float)
            values = values[~(values < _NO_ERROR)]
            axis.scatter(
                *(values, np.full(len(values), height)),
                **style,
                s=26,
                alpha=0.75,
            )
        known = runs[kinds].to_numpy(float)
        known = known[np.isfinite(known)]
        if len(runs) and not (known >= _NO_ERROR).any():
            _nothing(axis, place, "no error" if len(known) else "unknown")
    for number, name in enumerate(kinds):
        axis.scatter([], [], color=PALETTE[number], marker=_MARKERS[number], label=_ERRORS[name])
    log_axis(axis, "x", "{:g}".format)
    of_states = kinds == ["total_variation_worst"]
    unit = "total variation distance" if of_states else "standard deviations of the reference"
    axis.set_xlabel(f"worst error ({unit}); one dot a run, left is better")
    if not of_states:
        axis.axvline(0.1, color=MUTED, linewidth=0.8, linestyle="--")
    _name_rows(axis, table)
    if len(kinds) > 1:
        axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), title="error of")
    return figure


def _efficiency(comparison: Comparison) -> Figure:
    table, styles = comparison.table, _styles(comparison)
    panels = {"ess_per_second": "effective draws per second"}
    if "ess_per_gradient" in table:
        panels["ess_per_gradient"] = "per gradient"
    figure, axes = _frame(len(table), len(panels))
    for axis, (name, words) in zip(axes, panels.items(), strict=True):
        for place, (_, row) in enumerate(table.iterrows()):
            runs = _runs_of(comparison, row)
            values = runs[name].dropna().to_numpy(float) if name in runs else np.empty(0)
            if not len(values):
                _nothing(axis, place, "failed" if runs.empty else "does not apply")
                continue
            style = styles[str(row["method"])]
            doubtful = row["standing"] not in GOOD
            axis.plot([values.min(), values.max()], [place, place], color=style["color"], lw=1)
            axis.scatter(
                *(values, np.full(len(values), place)),
                marker=style["marker"],
                facecolors="none" if doubtful else style["color"],
                edgecolors=style["color"],
                s=40,
            )
        log_axis(axis, "x", thousands if name == "ess_per_second" else "{:g}".format)
        axis.set_xlabel(words)
    _name_rows(axes[0], table)
    figure.suptitle(
        "Worst scalar, warm-up charged; one mark a run, right is better, hollow: not to be used",
        fontsize="small",
    )
    return figure


def _curves(comparison: Comparison) -> Figure:
    curves, styles = comparison.curves, _styles(comparison)
    panels = {"seconds": "seconds, warm-up charged"}
    if curves["gradients"].notna().any():
        panels["gradients"] = "gradients, warm-up charged"
    figure = Figure(figsize=(_WIDTH, 3.8), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axis, (cost, words) in zip(axes, panels.items(), strict=True):
        for method, part in curves.groupby("method", sort=False):
            if not part[cost].notna().any():
                continue
            style = styles[str(method)]
            for _, run in part.groupby("run"):
                axis.plot(run[cost], run["average"], lw=0.8, alpha=0.35, color=style["color"])
            middle = part.groupby(["budget", "draws"], dropna=False)[[cost, "average"]].median()
            for _, line in middle.groupby(level="budget", dropna=False):
                axis.plot(line[cost], line["average"], ms=4.5, lw=1.6, **style)
            none = (part["average"] < _NO_ERROR).all()  # has no place on a logarithmic axis
            axis.plot([], [], label=f"{method} (error 0)" if none else str(method), **style)
        log_axis(axis, "x", duration if cost == "seconds" else thousands)
        axis.set_xlabel(words)
        axis.grid(True, alpha=0.3, which="major")
        axis.spines[["top", "right"]].set_visible(False)
    log_axis(axes[0], "y", "{:g}".format)
    unit = "total variation" if is_of_states(comparison.tree) else "reference sds"
    axes[0].set_ylabel(f"average error ({unit})")
    axes[0].legend(frameon=False, fontsize="small")
    figure.suptitle(
        "The first 16, 32, 64 ... draws of every chain; thin: a run, thick: median over seeds",
        fontsize="small",
    )
    return figure
