"""Single panels of the picture: each function draws one thing on one matplotlib axes.

Forest of intervals, densities by chain, traces, rank histograms (Vehtari et al. 2021), the
energy's two distributions (Betancourt 2017), and R-hat against ESS of all scalars.
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from arviz_stats.base import array_stats
from scipy.stats import rankdata

from probgen.diagnose.finding import Limits
from probgen.diagnose.record import Record
from probgen.diagnose.statistics import bfmi

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Tol's "bright" scheme: told apart by colour-blind readers
COLOURS = ("#4477AA", "#EE6677", "#228833", "#CCBB44", "#66CCEE", "#AA3377")
INK, FAINT, ALARM = "#333333", "#BBBBBB", "#CC3311"
MOST_POINTS = 500  # of a trace: more would only thicken the line
MOST_MARKS = 200  # of divergent draws under a trace
TALLEST = 3.0  # times the median peak of the chains: where a density is cut off
RANK_BINS = 20
LEVEL = 0.6  # height of a level rank bar in its row; bars are cut at the row's top
MOST_CHAINS = 8  # of the rank histograms: more rows could not be read


def colour_of(chain: int) -> str:
    """The colour a chain has in every panel."""
    return COLOURS[chain % len(COLOURS)]


def forest(axes: "Axes", record: Record, chosen: list[int]) -> None:
    """Intervals of 50 % (thick) and 90 % (thin) with the median, one line per scalar."""
    flat = record.values[chosen].reshape(len(chosen), -1)
    low, left, middle, right, high = np.quantile(flat, [0.05, 0.25, 0.5, 0.75, 0.95], axis=1)
    height = np.arange(len(chosen))[::-1]
    axes.hlines(height, low, high, color=COLOURS[0], linewidth=1.2)
    axes.hlines(height, left, right, color=COLOURS[0], linewidth=3.6)
    axes.plot(middle, height, "o", color="white", markeredgecolor=COLOURS[0], markersize=5)
    axes.set_yticks(height, [shortened(record.names[i], 24) for i in chosen])
    axes.set_ylim(-0.7, len(chosen) - 0.3)
    if low.min() < 0 < high.max():
        axes.axvline(0, color=FAINT, linewidth=0.8, zorder=0)
    axes.set_title("50 % and 90 % intervals", loc="left")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def densities(axes: "Axes", record: Record, position: int, interval: tuple[float, float]) -> None:
    """Marginal of one scalar, a line per chain, over the interval of all chains together."""
    draws = record.values[position]
    if (draws == np.round(draws)).all():
        count_lines(axes, draws)
    else:
        peaks = []
        for chain, line in enumerate(draws):
            if np.ptp(line) > 0:
                grid, density, _ = array_stats.kde(line)
                axes.plot(grid, density, color=colour_of(chain), linewidth=1.1)
                peaks.append(density.max())
        if peaks:  # a chain that hardly moves must not flatten the others
            axes.set_ylim(0, 1.05 * min(max(peaks), TALLEST * float(np.median(peaks))))
    axes.axvspan(*interval, color=FAINT, alpha=0.25, linewidth=0)
    edges = np.quantile(draws, [0.002, 0.998])
    if edges[0] < edges[1]:
        axes.set_xlim(*edges)
    axes.set_yticks([])
    axes.set_ylim(bottom=0)


def count_lines(axes: "Axes", draws: np.ndarray) -> None:
    """Frequencies of whole numbers, a line per chain."""
    support = np.unique(draws)
    for chain, line in enumerate(draws):
        frequency = [(line == value).mean() for value in support]
        axes.plot(support, frequency, "o-", color=colour_of(chain), linewidth=1, markersize=3)


def trace(axes: "Axes", record: Record, position: int, diverging: np.ndarray | None) -> None:
    """Draws in order, thinned to what can be seen, divergent ones marked along the bottom."""
    step = max(1, record.draws // MOST_POINTS)
    at = np.arange(0, record.draws, step)
    for chain, line in enumerate(record.values[position]):
        axes.plot(at, line[at], color=colour_of(chain), linewidth=0.5, alpha=0.8)
    if diverging is not None and diverging.any():
        places = np.unique(np.nonzero(diverging)[1])
        places = places[:: max(1, len(places) // MOST_MARKS)]
        bottom = axes.get_ylim()[0]
        axes.plot(places, np.full(len(places), bottom), "|", color=ALARM, markersize=5, mew=0.5)
    axes.set_xlim(0, max(record.draws - 1, 1))
    axes.tick_params(axis="y", labelsize=6)


def rank_histogram(axes: "Axes", record: Record, position: int) -> None:
    """Ranks of each chain's draws among all draws: level bars mean agreement."""
    draws = record.values[position]
    ranks = broken_ties(draws)[:MOST_CHAINS]
    edges = np.linspace(0.5, draws.size + 0.5, RANK_BINS + 1)
    for chain, line in enumerate(ranks):
        share = np.histogram(line, edges)[0] * RANK_BINS / record.draws
        base = len(ranks) - 1 - chain
        axes.bar(
            edges[:-1],
            np.minimum(LEVEL * share, 1.0),
            np.diff(edges),
            bottom=base,
            align="edge",
            color=colour_of(chain),
            alpha=0.75,
            edgecolor="white",
            linewidth=0.3,
        )
        axes.axhline(base + LEVEL, color=INK, linewidth=0.6, ls="--")
    axes.set_xlim(0.5, draws.size + 0.5)
    axes.set_ylim(-0.05, len(ranks) + 0.05)
    axes.set_xticks([])
    axes.set_yticks([])


def broken_ties(draws: np.ndarray) -> np.ndarray:
    """Ranks of draws (chain, draw) among all; ties, as of whole numbers, in a fixed shuffle."""
    shuffle = np.random.default_rng(0).permutation(draws.size)
    ranks = np.empty(draws.size)
    ranks[shuffle] = rankdata(draws.ravel()[shuffle], method="ordinal")
    return ranks.reshape(draws.shape)


def energy(axes: "Axes", record: Record) -> None:
    """Energies about their mean against their changes: the second must be as wide."""
    values = record.stats.get("energy")
    axes.set_title("energy", loc="left")
    axes.set_yticks([])
    if values is None or not np.isfinite(values).all() or np.ptp(values) == 0:
        axes.text(0.5, 0.5, "no energies recorded", ha="center", transform=axes.transAxes)
        return
    centred = (values - values.mean(axis=1, keepdims=True)).ravel()
    for label, line, colour in (
        ("marginal", centred, COLOURS[0]),
        ("transition", np.diff(values, axis=1).ravel(), COLOURS[1]),
    ):
        grid, density, _ = array_stats.kde(line)
        axes.fill_between(grid, density, color=colour, alpha=0.35, linewidth=0, label=label)
        axes.plot(grid, density, color=colour, linewidth=1)
    axes.legend(frameon=False, fontsize=7, loc="upper right")
    axes.set_ylim(bottom=0)
    axes.set_xlabel(f"E-BFMI {np.nanmin(bfmi(values)):.2f} at the lowest")


def mixing(axes: "Axes", table: pd.DataFrame, record: Record, limits: Limits) -> None:
    """R-hat against bulk ESS of every scalar, with the limits drawn in."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    rows = table[record.moving].replace(np.inf, np.nan)  # R-hat of chains that stand still
    wanted = limits.wanted_ess(record.chains)
    bad = ((rows["r_hat"] > limits.r_hat) | (rows["ess_bulk"] < wanted)).to_numpy()
    for mask, colour in ((~bad, COLOURS[0]), (bad, ALARM)):
        axes.plot(
            rows["ess_bulk"][mask],
            rows["r_hat"][mask],
            "o",
            color=colour,
            markersize=3.5,
            alpha=0.6,
        )
    axes.axvline(wanted, color=INK, linewidth=0.7, ls="--")
    axes.axhline(limits.r_hat, color=INK, linewidth=0.7, ls="--")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=8))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    top = np.nanmax([limits.r_hat + 0.002, *rows["r_hat"]])
    axes.set_ylim(min(0.999, np.nanmin([1.0, *rows["r_hat"]])), 1 + 1.15 * (top - 1))
    axes.set_title("R-hat against bulk ESS", loc="left")
    axes.set_xlabel("bulk ESS (all scalars)")


def pair(axes: "Axes", record: Record, names: tuple[str, str], diverging: np.ndarray) -> None:
    """Two scalars against each other, divergent draws on top."""
    x, y = (record.values[record.names.index(name)] for name in names)
    step = max(1, x.size // 3000)
    axes.plot(x.ravel()[::step], y.ravel()[::step], ".", color=FAINT, markersize=2.5)
    axes.plot(x[diverging], y[diverging], ".", color=ALARM, markersize=4)
    axes.set_xlim(*np.quantile(x, [0.001, 0.999]))
    if (y > 0).all():
        axes.set_yscale("log")  # the neck of a funnel is at small scales
    axes.set_title("divergent draws", loc="left", color=ALARM)
    axes.set_xlabel(shortened(names[0], 24))
    axes.set_ylabel(shortened(names[1], 18))


def work(axes: "Axes", record: Record) -> None:
    """How deep the trees went, or the log density by draw where there are no trees."""
    depth = record.stats.get("tree_depth")
    if depth is not None and depth.size:
        levels, counts = np.unique(depth.astype(int), return_counts=True)
        axes.bar(levels, counts / depth.size, color=COLOURS[0], alpha=0.8, width=0.7)
        axes.set_xticks(levels)
        axes.set_xlim(levels[0] - 1, levels[-1] + 1)
        axes.set_title("tree depth", loc="left")
        axes.set_xlabel("depth (share of the draws)")
        return
    lp = record.stats.get("lp")
    axes.set_title("log density", loc="left")
    if lp is None:
        axes.text(0.5, 0.5, "no sampler statistics", ha="center", transform=axes.transAxes)
        return
    for chain, line in enumerate(lp):
        axes.plot(line, color=colour_of(chain), linewidth=0.5)


def shortened(name: str, most: int) -> str:
    """A name cut in the middle to at most so many characters."""
    if len(name) <= most:
        return name
    half = (most - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
