"""The featured scalars of a run drawn by arviz-plots: traces, ranks, ECDFs, pairs, intervals.

Draws are thinned to what can be seen, so that pictures stay small and quick; the numbers that
the report states always come from all draws.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from probgen.diagnose.panels import shortened
from probgen.diagnose.picture import forest_scalars
from probgen.diagnose.record import Record
from probgen.diagnose.report.featured import featured_tree

__all__ = ["MOST_PAIRED", "CloseUps", "band", "figure_of", "forest", "short_names"]

MOST_LETTERS = 26
TRACE_DRAWS, RANK_DRAWS, ECDF_DRAWS, PAIR_DRAWS, FOREST_DRAWS = 250, 400, 250, 400, 1000
BAND_SIMULATIONS = 400
"""Of the rank plot's band: at 400 draws about a second."""
MOST_PAIRED = 4
COLUMNS = 2


@dataclass(frozen=True)
class CloseUps:
    """Draws the chosen scalars of one run, under their `names`."""

    record: Record
    chosen: list[int]
    names: list[str]

    def tree(self, most_draws: int, of: slice = slice(None)) -> Any:
        """The chosen scalars (or some of them), thinned."""
        return featured_tree(self.record, self.chosen[of], self.names[of], most_draws)

    def layout(self) -> dict[str, Any]:
        """Panels in two columns, as arviz-plots is told."""
        rows = -(-len(self.chosen) // COLUMNS)
        return {
            "backend": "matplotlib",
            "col_wrap": COLUMNS,
            "figure_kwargs": {"figsize": (7.6, 0.4 + 1.75 * rows), "sharex": False},
        }

    def traces(self) -> Any:
        """Draws in order, a line per chain, divergent draws marked."""
        from arviz_plots import plot_trace

        plot = plot_trace(
            self.tree(TRACE_DRAWS),
            visuals={
                "trace": {"width": 0.7, "alpha": 0.75},
                "divergence": {"color": "#ee6677", "alpha": 0.8},
                "xlabel": False,
            },
            **self.layout(),
        )
        return figure_of(plot)

    def ranks(self) -> Any:
        """Distance of the rank distributions from uniform, with a band (Säilynoja et al. 2022)."""
        from arviz_plots import plot_rank

        plot = plot_rank(
            self.tree(RANK_DRAWS),
            stats=band(),
            visuals={"ecdf_lines": {"width": 1.1}, "xlabel": False},
            **self.layout(),
        )
        return figure_of(plot)

    def ecdf(self) -> Any:
        """Empirical distribution functions, a line per chain."""
        from arviz_plots import plot_dist

        plot = plot_dist(
            self.tree(ECDF_DRAWS),
            kind="ecdf",
            sample_dims=["draw"],
            cols=["__variable__"],
            aes={"color": ["chain"]},
            visuals={
                "dist": {"width": 1.1},
                "point_estimate": False,
                "point_estimate_text": False,
                "credible_interval": False,
            },
            **self.layout(),
        )
        return figure_of(plot)

    def pairs(self) -> Any:
        """Scatter plots of the first scalars, divergent draws on top."""
        from arviz_plots import plot_pair

        few = slice(0, MOST_PAIRED)
        count = len(self.chosen[few])
        tree = self.tree(PAIR_DRAWS, few)
        diverged = "sample_stats" in tree and bool(tree["sample_stats"]["diverging"].any())
        plot = plot_pair(
            tree,
            backend="matplotlib",
            marginal_kind="kde",
            visuals={
                "scatter": {"color": "#4477aa", "alpha": 0.35, "size": 5},
                "divergence": {"color": "#ee6677", "alpha": 0.9, "size": 9} if diverged else False,
            },
            figure_kwargs={"figsize": (1.9 * count, 1.7 * count)},
        )
        figure = figure_of(plot)
        for axes in figure.axes:
            for points in axes.collections:
                points.set_rasterized(True)  # thousands of dots: as an image they are small
        return figure


def band() -> dict[Literal["ecdf_pit"], dict[str, Any]]:
    """How the band of a rank plot is simulated."""
    return {"ecdf_pit": {"n_simulations": BAND_SIMULATIONS}}


def figure_of(plot: Any) -> Any:
    """The matplotlib figure of an arviz-plots collection."""
    return plot.viz["figure"].item()


def forest(record: Record) -> Any:
    """Intervals of the scalars that can share one axis."""
    from arviz_plots import plot_forest

    chosen, _ = forest_scalars(record)
    tree = featured_tree(
        record, chosen, short_names(record.names[i] for i in chosen), FOREST_DRAWS
    )
    plot = plot_forest(
        tree,
        backend="matplotlib",
        combined=True,
        figure_kwargs={"figsize": (7.6, 0.8 + 0.24 * len(chosen)), "width_ratios": (1, 3)},
    )
    return figure_of(plot)


def short_names(names: Iterable[str]) -> list[str]:
    """Short names for the pictures, distinct, and such that a DataTree takes them."""
    labels: list[str] = []
    for number, name in enumerate(names):
        plain = " ".join(name.split()).replace("/", "\N{DIVISION SLASH}")
        label = shortened(plain, MOST_LETTERS)
        taken = label in labels or label in ("chain", "draw")
        labels.append(f"{label} #{number}" if taken else label)
    return labels
