"""One picture of the posterior of a discrete network.

Left, a bar per variable cut into the probabilities of its states; right, for samplers, the log
joint by chain and R-hat against ESS of every state's indicator, and below what was observed.
Drawn without pyplot, so no global state is touched.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from probgen.diagnose import network_checks
from probgen.diagnose.finding import Limits
from probgen.diagnose.network_record import NetworkRecord, read_network_record
from probgen.diagnose.panels import ALARM, COLOURS, FAINT, INK, colour_of, shortened
from probgen.diagnose.sampler_statistics import has
from probgen.diagnose.verdict import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_BARS = 40
MOST_CHAINS = 8
ROOM_PER_LETTER = 0.0125  # of the bar's length: narrower parts are not labelled
SHADES = ("#4477AA", "#99BBDD", "#DDCC77", "#EE8866", "#77AADD", "#BBCC33", "#FFAABB", "#AAAAAA")


def draw_network(tree: Any, verdict: Verdict) -> "Figure":
    """Lay out and draw all panels."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    record = read_network_record(tree)
    names = chosen_variables(record.table)
    height = max(3.2, 1.1 + 0.24 * len(names))
    figure = Figure(figsize=(11, height), layout=ConstrainedLayoutEngine(h_pad=0.04, w_pad=0.06))
    colour = "#228833" if verdict.ok else "#997700" if verdict.trustworthy else ALARM
    title = f"{record.attrs.get('model', 'network')}, {record.attrs.get('method', '')}: "
    figure.suptitle(
        f"{title}{verdict.headline}\n{verdict.basis.split('; checked')[0]}. "
        f"{getattr(verdict, 'evidence', '')}",
        fontsize=9.5,
        color=colour,
        x=0.01,
        ha="left",
    )
    panels = [panel for panel in (log_joint, mixing, evidence) if wanted(panel, record, tree)]
    if not panels:
        bars(figure.add_subplot(), record.table, names)
        return figure
    grid = figure.add_gridspec(len(panels), 2, width_ratios=(1.9, 1))
    bars(figure.add_subplot(grid[:, 0]), record.table, names)
    for row, panel in enumerate(panels):
        axes = figure.add_subplot(grid[row, 1])
        if panel is evidence:
            evidence(axes, tree)
        else:
            panel(axes, record)
    return figure


def wanted(panel: Any, record: NetworkRecord, tree: Any) -> bool:
    """Whether a panel has something to show."""
    if panel is log_joint:
        return record.log_joint is not None and record.sampled
    if panel is mixing:
        return bool(record.table["r_hat"].notna().any())
    return has(tree, "observed_data")


def chosen_variables(table: pd.DataFrame) -> list[str]:
    """The variables to draw: all of a few; of many the least certain and the worst mixed."""
    names = list(dict.fromkeys(table["variable"]))
    if len(names) <= MOST_BARS:
        return names
    p = table["probability"].clip(1e-300)
    entropy = (-(p * np.log(p))).groupby(table["variable"]).sum()
    worst = table.groupby("variable")["r_hat"].max().fillna(0).nlargest(MOST_BARS // 4)
    chosen = set(worst.index) | set(entropy.nlargest(MOST_BARS - len(worst)).index)
    return [name for name in names if name in chosen]


def bars(axes: "Axes", table: pd.DataFrame, names: list[str]) -> None:
    """A bar per variable, cut into the probabilities of its states, which are named inside."""
    grouped = dict(list(table.groupby("variable", sort=False)))
    for row, name in enumerate(names):
        left = 0.0
        for number, (state, width) in enumerate(
            zip(grouped[name]["state"], grouped[name]["probability"], strict=True)
        ):
            shade = SHADES[number % len(SHADES)]
            axes.barh(row, width, left=left, color=shade, edgecolor="white", linewidth=0.6)
            text = f"{state} {width:.2f}" if width < 0.995 else str(state)
            if width > ROOM_PER_LETTER * len(text):
                ink = "white" if shade == SHADES[0] else INK
                axes.text(
                    left + width / 2, row, text, ha="center", va="center", fontsize=6.5, color=ink
                )
            left += width
    axes.set_yticks(range(len(names)), [shortened(name, 22) for name in names], fontsize=7)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.tick_params(axis="both", length=0, labelsize=7)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    total = table["variable"].nunique()
    shown = "" if total == len(names) else f" ({len(names)} of {total} variables)"
    axes.set_title(f"probability of each state{shown}", loc="left", fontsize=8)


def log_joint(axes: "Axes", record: NetworkRecord) -> None:
    """The log joint of the first chains, draw by draw."""
    values = record.log_joint
    if values is None:
        return
    values = values.reshape(-1, record.chains, record.draws).sum(0)  # cases are independent
    step = max(1, record.draws // 500)
    for chain, line in enumerate(values[:MOST_CHAINS]):
        axes.plot(
            np.arange(0, len(line), step),
            line[::step],
            color=colour_of(chain),
            linewidth=0.5,
            alpha=0.8,
        )
    shown = min(len(values), MOST_CHAINS)
    _titled(axes, f"log joint of {shown} of {len(values)} chains (nats)", "draw")


def mixing(axes: "Axes", record: NetworkRecord) -> None:
    """R-hat against ESS of every state's indicator, with the limits drawn in."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    rows = record.table[["ess", "r_hat"]].replace(np.inf, np.nan).dropna()
    limit = network_checks.r_hat_limit(record.chains, Limits())
    wanted_ess = network_checks.WANTED_ESS
    bad = ((rows["r_hat"] > limit) | (rows["ess"] < wanted_ess)).to_numpy()
    for mask, colour in ((~bad, COLOURS[0]), (bad, ALARM)):
        axes.plot(
            rows["ess"][mask], rows["r_hat"][mask], "o", color=colour, markersize=3, alpha=0.6
        )
    axes.axvline(wanted_ess, color=FAINT, linewidth=0.8, ls="--")
    axes.axhline(limit, color=FAINT, linewidth=0.8, ls="--")
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0), numticks=8))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    _titled(axes, "R-hat against ESS of every state", "ESS")


def evidence(axes: "Axes", tree: Any) -> None:
    """What was observed, as text."""
    observed = tree["observed_data"].to_dataset()
    lines = [f"{name} = {observed[name].values}" for name in observed.data_vars]
    more = [f"... {len(lines) - 12} more"] if len(lines) > 12 else []
    axes.text(0, 1, "\n".join(lines[:12] + more), va="top", fontsize=7, transform=axes.transAxes)
    axes.set_axis_off()
    axes.set_title("observed", loc="left", fontsize=8)


def _titled(axes: "Axes", title: str, below: str) -> None:
    axes.set_title(title, loc="left", fontsize=8)
    axes.set_xlabel(below, fontsize=7)
    axes.tick_params(labelsize=6.5)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
