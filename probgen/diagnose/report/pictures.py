"""Pictures of the draws of one run, made by arviz-plots: bounded in number, size and time.

Each function draws one kind of picture of a few scalars and says in words what is to be seen in
it, for readers who cannot see it. A picture that cannot be drawn leaves a sentence with the
reason in its place; the report goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from probgen.diagnose.report.closeups import (
    MOST_PAIRED,
    CloseUps,
    figure_of,
    forest,
    short_names,
)
from probgen.diagnose.report.featured import MOST_CHAINS, can_be_drawn, featured_scalars
from probgen.diagnose.report.runs import Run
from probgen.diagnose.report.svg import figure_svg, picture_style
from probgen.diagnose.statistics import bfmi
from probgen.diagnose.words import count_of

__all__ = ["Picture", "drawn", "pictures_of_draws"]


@dataclass(frozen=True)
class Picture:
    """One picture: a title, the SVG, a caption on how to read it, and what is to be seen.

    `svg` is "" where it could not be drawn; `caption` then says why.
    """

    title: str
    svg: str
    caption: str
    seen: str
    wide: bool = False


def drawn(
    title: str, prefix: str, draw: Callable[[], Any], caption: str, seen: str, wide: bool = False
) -> Picture:
    """Draw with arviz-plots (or matplotlib) in the report's style and take the figure as SVG."""
    from matplotlib import pyplot

    open_before = set(pyplot.get_fignums())
    try:
        with pyplot.ioff(), picture_style(), np.errstate(all="ignore"):
            figure = draw()
            return Picture(title, figure_svg(figure, prefix), caption, seen, wide)
    except Exception as error:  # a tree of any library may hold what a plot cannot take
        reason = f"{type(error).__name__}: {str(error)[:200]}"
        return Picture(title, "", f"This picture could not be drawn ({reason}).", "")
    finally:
        for number in set(pyplot.get_fignums()) - open_before:
            pyplot.close(number)


def pictures_of_draws(run: Run) -> list[Picture]:
    """Intervals, traces, ranks, ECDFs, energy and pairs of a run with draws."""
    record = run.record
    if record is None or not can_be_drawn(record):
        return []
    chosen = featured_scalars(run)
    names = short_names(record.names[i] for i in chosen)
    seen = _in_words(run, chosen)
    of_chains = (
        f" The first {MOST_CHAINS} of {record.chains} chains."
        if record.chains > MOST_CHAINS
        else ""
    )
    make = CloseUps(record, chosen, names)
    pictures = [
        drawn(
            "Intervals",
            f"{run.anchor}-forest",
            lambda: forest(record),
            "Medians with intervals of 50 % (thick) and 94 % (thin); scalars on one scale.",
            "Posterior intervals; their numbers are in the summary table.",
        ),
        drawn(
            "Ranks by chain",
            f"{run.anchor}-rank",
            make.ranks,
            "Distance of each chain's rank distribution from the uniform one, with a "
            f"simultaneous 99 % band: chains that agree stay inside.{of_chains}",
            seen,
        ),
        drawn(
            "Traces",
            f"{run.anchor}-trace",
            make.traces,
            "Draws in order, thinned; a line per chain. They should overlap and look alike "
            f"from end to end; marks along the bottom are divergent draws.{of_chains}",
            seen,
        ),
        drawn(
            "Cumulative distributions by chain",
            f"{run.anchor}-ecdf",
            make.ecdf,
            f"Empirical distribution functions, a line per chain: one curve, if they agree."
            f"{of_chains}",
            seen,
        ),
    ]
    if (energy := record.stats.get("energy")) is not None and np.isfinite(energy).all():
        pictures.append(_energy_picture(run, energy))
    if len(chosen) > 1:
        pictures.append(_pair_picture(run, make))
    return pictures


def _energy_picture(run: Run, energy: np.ndarray) -> Picture:
    from arviz_base import from_dict

    shown = energy[:MOST_CHAINS]

    def draw() -> Any:
        from arviz_plots import plot_energy

        tree = from_dict({"sample_stats": {"energy": shown}})
        plot = plot_energy(tree, backend="matplotlib", figure_kwargs={"figsize": (7.6, 2.4)})
        return figure_of(plot)

    lowest = float(np.nanmin(bfmi(energy))) if energy.shape[1] > 1 else float("nan")
    return drawn(
        "Energy",
        f"{run.anchor}-energy",
        draw,
        "Left, the E-BFMI of each chain against its limit; right, the energies about their mean "
        "and their changes from draw to draw, which should be as wide.",
        f"The lowest E-BFMI of the chains is {lowest:.2f}; below 0.3 is low.",
    )


def _pair_picture(run: Run, make: CloseUps) -> Picture:
    record = make.record
    diverging = record.stats.get("diverging")
    count = 0 if diverging is None else int(diverging.sum())
    return drawn(
        "Pairs",
        f"{run.anchor}-pair",
        make.pairs,
        "Draws of two scalars against each other, thinned; divergent draws on top in red. "
        "Where they gather, the sampler could not follow the posterior.",
        f"Scatter plots of {', '.join(make.names[:MOST_PAIRED])}, "
        f"with {count_of(count, 'divergent draw')} in the run.",
    )


def _in_words(run: Run, chosen: list[int]) -> str:
    """The numbers behind the pictures of the featured scalars."""
    assert run.record is not None
    table = run.verdict.table
    parts = [
        f"{run.record.names[i]}: R-hat {table['r_hat'].iloc[i]:.3f}, "
        f"bulk ESS {table['ess_bulk'].iloc[i]:.0f}"
        for i in chosen
    ]
    return f"{count_of(len(chosen), 'parameter')}. {'; '.join(parts)}."
