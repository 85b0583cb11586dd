"""Whether a machine's draws are like the data: means of units, and correlations of pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from probgen.diagnose.report.pictures import drawn
from probgen.diagnose.report.svg import PALETTE
from probgen.diagnose.report.training import Section
from probgen.nets.boltzmann.layers import Layered
from probgen.studies.fit_page.cases import Values

__all__ = ["match_section"]

_MOST_UNITS = 60
"""Whose pairs are compared; of more, so many spread evenly."""


def match_section(machine: Layered, values: Values, drawn_states: Tensor, whose: str) -> Section:
    """Means and correlations of the visible numbers, of cases against draws (case, width).

    Independent units would have the right means, and no correlation.
    """
    section = Section("match", "Data and draws")
    data, made = _known(machine, values), drawn_states.double().numpy()
    means = np.nanmean(data, 0), made.mean(0)
    pairs = _correlations(data), _correlations(made)
    both = np.isfinite(pairs[0]) & np.isfinite(pairs[1])
    pairs = pairs[0][both], pairs[1][both]
    section.paragraphs.append(
        f"Each dot is a visible unit or state, or a pair of them, in the {whose} cases and in "
        "the draws. On the line they agree."
    )
    off = float(np.abs(means[0] - means[1]).max())
    seen = f"Largest difference of means {off:.3g} among {len(means[0])}."
    if both.any():
        agree = float(np.sqrt(np.mean((pairs[0] - pairs[1]) ** 2)))
        size = float(np.sqrt(np.mean(pairs[0] ** 2)))
        seen += (
            f" Root mean square difference of {both.sum()} correlations {agree:.3g}; the data's "
            f"own root mean square is {size:.3g}, which independent units would miss by."
        )
    section.paragraphs.append(seen)
    section.pictures.append(
        drawn(
            "Means and correlations",
            "match",
            lambda: _draw(means, pairs),
            "Left, means; right, correlations of pairs.",
            seen,
        )
    )
    return section


def _known(machine: Layered, values: Values) -> np.ndarray:
    """States of the visible layer, (case, width), NaN where a value is missing."""
    state = machine.encode(0, values)
    absent = machine.absent(0, state)
    state = state if absent is None else state.masked_fill(absent, torch.nan)
    return state.detach().cpu().double().numpy()


def _correlations(states: np.ndarray) -> np.ndarray:
    """Of all pairs, in one row; NaN where there are too few cases, or a number does not vary."""
    width = states.shape[1]
    chosen = np.unique(np.linspace(0, width - 1, min(width, _MOST_UNITS)).astype(int))
    table = pd.DataFrame(states[:, chosen]).corr(min_periods=10).to_numpy()
    return table[np.triu_indices(len(chosen), 1)]


def _draw(*panels: tuple[np.ndarray, np.ndarray]) -> Any:
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(panels), figsize=(6.6, 3.1))
    for axis, (data, made), name in zip(axes, panels, ("means", "correlations"), strict=True):
        if not len(data):
            axis.text(0.5, 0.5, "none known", ha="center", transform=axis.transAxes)
            continue
        ends = [min(data.min(), made.min()), max(data.max(), made.max())]
        axis.plot(ends, ends, color=PALETTE[7], linewidth=1)
        dots = axis.scatter(data, made, s=9, color=PALETTE[0], alpha=0.6, linewidths=0)
        dots.set_rasterized(len(data) > 300)
        axis.set_title(name)
        axis.set_xlabel("data")
        axis.set_ylabel("draws")
    return figure
