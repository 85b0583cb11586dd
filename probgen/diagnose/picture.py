"""One picture of a posterior: intervals, the worst scalars up close, energy and mixing.

Left a forest of intervals on one scale; right, for the scalars with the worst R-hat and ESS,
density, trace and ranks by chain; below energy, R-hat against ESS, and the divergent draws (or
tree depths when nothing diverged). Drawn without pyplot, so no global state is touched.
"""

import warnings
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from probgen.diagnose import panels
from probgen.diagnose.divergences import separating_scalars
from probgen.diagnose.funnel import narrowing_sites
from probgen.diagnose.judge import diagnose
from probgen.diagnose.network_picture import draw_network
from probgen.diagnose.network_record import has_marginals
from probgen.diagnose.record import Record, read_record
from probgen.diagnose.verdict import Verdict
from probgen.errors import DataError, OptionError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.gridspec import GridSpec

FORMATS = (".png", ".pdf", ".svg", ".jpg", ".jpeg", ".webp")
CLOSE_UPS = 4
MOST_LINES = 24  # of the forest
SCALE_RATIO = 25.0  # axis length over the median interval: beyond, intervals become dots
STYLE = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": panels.INK,
    "text.color": panels.INK,
    "xtick.color": panels.INK,
    "ytick.color": panels.INK,
}


def save_picture(
    tree: Any, path: str | PathLike[str], *, verdict: Verdict | None = None, dpi: int = 130
) -> Path:
    """Draw the picture of a posterior and write it to a file.

    Parameters
    ----------
    tree: what `diagnose` takes.
    path: file to write; its ending chooses the format (.png, .pdf, .svg, .jpg, .webp).
    verdict: the verdict on this tree, if there is one already (saves its computation).
    dpi: dots per inch of the raster formats; the picture is 11 inches wide.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    OptionError: the ending names no known format, or the file cannot be written.
    DataError: there are no finite draws to show.

    """
    path = checked_path(path)
    if verdict is None:
        verdict = diagnose(tree)
    if has_marginals(tree):
        figure = draw_network(tree, verdict)
    else:
        figure = draw(read_record(tree), verdict)
    try:
        figure.savefig(path, dpi=dpi, facecolor="white")
    except OSError as error:
        raise OptionError(f"The picture {path} cannot be written: {error.strerror}.") from error
    return path


def checked_path(path: str | PathLike[str]) -> Path:
    """The path, if its ending names a format that can be written."""
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise OptionError(
            f"The picture {path} must end in one of {', '.join(FORMATS)}: the ending chooses "
            "the format."
        )
    return path


def draw(record: Record, verdict: Verdict) -> "Figure":
    """Lay out and draw all panels."""
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    if not record.moving.any():
        raise DataError("No site has finite, varying draws: there is nothing to draw.")
    close = worst_scalars(record, verdict.table, CLOSE_UPS)
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # degenerate axis limits of stuck chains
        rows = max(len(close), 2)
        layout = ConstrainedLayoutEngine(h_pad=0.03, hspace=0.01)
        figure = Figure(figsize=(11, 2.9 + 1.15 * rows), layout=layout)
        grid = figure.add_gridspec(
            rows + 1, 4, width_ratios=(1.35, 1, 1.5, 0.8), height_ratios=[1.0] * rows + [1.5]
        )
        title = f"{verdict.headline}  ({verdict.basis.split(';')[0]})"
        colour = "#228833" if verdict.ok else "#997700" if verdict.trustworthy else panels.ALARM
        figure.suptitle(title, fontsize=9.5, color=colour, x=0.01, ha="left")
        lines, left_out = forest_scalars(record)
        forest = figure.add_subplot(grid[:, 0])
        panels.forest(forest, record, lines)
        if left_out:
            forest.set_xlabel(f"on another scale: {', '.join(left_out[:4])}")
        draw_close_ups(figure, grid, record, verdict, close)
        draw_bottom(figure, grid, record, verdict, rows)
    return figure


def draw_close_ups(
    figure: "Figure", grid: "GridSpec", record: Record, verdict: Verdict, close: list[int]
) -> None:
    """Density, trace and ranks of the worst scalars, a row each."""
    diverging = record.stats.get("diverging")
    titles = ("density by chain", "trace", "ranks by chain")
    for row, position in enumerate(close):
        numbers = verdict.table.iloc[position]
        axes = [figure.add_subplot(grid[row, column]) for column in (1, 2, 3)]
        panels.densities(axes[0], record, position, tuple(numbers.iloc[2:4]))
        panels.trace(axes[1], record, position, diverging)
        panels.rank_histogram(axes[2], record, position)
        axes[0].set_ylabel(panels.shortened(record.names[position], 16), fontweight="bold")
        axes[2].set_xlabel(f"R-hat {numbers['r_hat']:.3f}, ESS {numbers['ess_bulk']:.0f}")
        if row == 0:
            for panel, title in zip(axes, titles, strict=True):
                panel.set_title(title, loc="left")
        if row < len(close) - 1:
            axes[1].set_xticklabels([])


def draw_bottom(
    figure: "Figure", grid: "GridSpec", record: Record, verdict: Verdict, rows: int
) -> None:
    """Energy, R-hat against ESS, and divergent draws or the work done per draw."""
    energy, mixing, last = (figure.add_subplot(grid[rows, column]) for column in (1, 2, 3))
    panels.energy(energy, record)
    panels.mixing(mixing, verdict.table, record, verdict.limits)
    diverging = record.stats.get("diverging")
    names = None if diverging is None else divergent_pair(record, diverging.astype(bool))
    if names is None or diverging is None:
        panels.work(last, record)
    else:
        panels.pair(last, record, names, diverging.astype(bool))


def worst_scalars(record: Record, table: pd.DataFrame, most: int) -> list[int]:
    """The scalars to show up close: the worst of each site first, sampled sites before others."""
    r_hat = table["r_hat"].fillna(1.0).to_numpy()
    ess = table["ess_bulk"].fillna(1.0).to_numpy()
    badness = (r_hat - 1.0) / 0.01 + 100.0 * record.chains / np.maximum(ess, 1.0)
    order = [int(i) for i in np.argsort(-badness, kind="stable") if record.moving[i]]
    first_of_site = list({record.sites[i]: i for i in reversed(order)}.values())
    ranked = sorted(first_of_site, key=lambda i: (not record.latent[i], -badness[i]))
    ranked += [i for i in order if i not in first_of_site]
    return sorted(ranked[:most])


def forest_scalars(record: Record) -> tuple[list[int], list[str]]:
    """Scalars that can share one axis, and the sites left out because their scale differs."""
    ends = np.full((len(record.names), 2), np.nan)
    moving = np.flatnonzero(record.moving)
    flat = record.values[moving].reshape(len(moving), -1)
    ends[moving] = np.quantile(flat, [0.05, 0.95], axis=1).T
    sites = {
        site: members
        for site in dict.fromkeys(record.sites)
        if len(members := np.intersect1d(record.of_site(site), moving))
    }
    chosen: list[int] = []
    left_out = []
    for site in sorted(sites, key=lambda site: -len(sites[site])):
        trial = [*chosen, *sites[site].tolist()]
        length = ends[trial, 1].max() - ends[trial, 0].min()
        if chosen and length > SCALE_RATIO * np.median(ends[trial, 1] - ends[trial, 0]):
            left_out.append(site)
        else:
            chosen = trial
    return evenly(record, sorted(chosen), MOST_LINES), left_out


def evenly(record: Record, chosen: list[int], most: int) -> list[int]:
    """At most so many scalars, small sites in full and large ones evenly thinned."""
    if len(chosen) <= most:
        return chosen
    members: dict[str, list[int]] = {}
    for position in chosen:
        members.setdefault(record.sites[position], []).append(position)
    kept: list[int] = []
    left = most
    for number, site in enumerate(sorted(members, key=lambda site: len(members[site]))):
        room = max(left // (len(members) - number), 0)
        picks = np.linspace(0, len(members[site]) - 1, min(room, len(members[site])))
        kept += [members[site][int(i)] for i in picks.round()]
        left = most - len(kept)
    return sorted(kept)


def divergent_pair(record: Record, diverging: np.ndarray) -> tuple[str, str] | None:
    """Two scalars in which divergent draws stand out: the separating one and its partner.

    None when there is no such scalar, or no second one to draw it against.
    """
    places = separating_scalars(record, diverging) if diverging.any() else []
    sampled = [record.names[i] for i in np.flatnonzero(record.moving & record.latent)]
    if not places or len(sampled) < 2:
        return None
    first, larger = places[0]
    partners = narrowing_sites(record, first, "small" if larger < 0.5 else "large")
    if partners:
        second = record.names[int(record.of_site(partners[0])[0])]
    else:
        second = next(name for name in sampled if name != first)
    return second, first
