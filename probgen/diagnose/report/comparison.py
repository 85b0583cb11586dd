"""Several runs side by side: what each cost and found, where they differ, and which predicts best.

Differences of means are told in units of their Monte Carlo error, so that a difference that two
good runs may have by chance can be told from one that shows a fault. Leave-one-out is compared
by arviz-stats, where all runs saw the same data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from probgen.diagnose.network_verdict import NetworkVerdict
from probgen.diagnose.report.closeups import figure_of, short_names
from probgen.diagnose.report.costs import costs_of
from probgen.diagnose.report.featured import featured_tree
from probgen.diagnose.report.loo import Loo
from probgen.diagnose.report.pictures import Picture, drawn
from probgen.diagnose.report.runs import Run
from probgen.diagnose.report.table import Cell, Line, Table, number_cell
from probgen.diagnose.words import quoted

__all__ = ["Comparison", "comparison_of"]

MOST_COMMON = 300
MOST_DRAWN = 12
SUSPICIOUS = 4.0
"""Standard errors between two means: beyond, chance is no explanation."""


@dataclass(frozen=True)
class Comparison:
    """The tables of a comparison, its picture, and what could not be compared."""

    runs: Table
    common: Table | None
    picture: Picture | None
    loo: Table | None
    remarks: list[str] = field(default_factory=list)


def comparison_of(runs: list[Run], loos: dict[str, list[Loo]]) -> Comparison:
    """Compare runs; `loos` has the leave-one-out results by label."""
    remarks: list[str] = []
    moments = [_moments(run) for run in runs]
    shared = [name for name in moments[0].index if all(name in m.index for m in moments[1:])]
    if not shared:
        remarks.append(
            "The runs have no parameter of the same name: their values are not compared."
        )
    return Comparison(
        runs=costs_of(runs),
        common=_common(runs, moments, shared) if shared else None,
        picture=_forest(runs, shared),
        loo=_loo_table(runs, loos, remarks),
        remarks=remarks,
    )


def _moments(run: Run) -> pd.DataFrame:
    """Mean, sd and Monte Carlo error by name: of parameters, or of probabilities of states."""
    table = run.verdict.table
    table = table[~table.index.duplicated()]
    if isinstance(run.verdict, NetworkVerdict):
        names = {"mean": table["probability"], "mcse": table["mcse"].fillna(0.0)}
        return pd.DataFrame(names | {"sd": np.nan}, index=table.index)
    return table[["mean", "sd", "mcse_mean"]].rename(columns={"mcse_mean": "mcse"})


def _common(runs: list[Run], moments: list[pd.DataFrame], shared: list[str]) -> Table:
    means = np.array([m.loc[shared, "mean"] for m in moments])
    errors = np.array([m.loc[shared, "mcse"] for m in moments])
    high, low = means.argmax(axis=0), means.argmin(axis=0)
    columns = np.arange(len(shared))
    gap = means[high, columns] - means[low, columns]
    with np.errstate(invalid="ignore", divide="ignore"):
        far = gap / np.hypot(errors[high, columns], errors[low, columns])
    order = np.argsort(-np.nan_to_num(far, nan=0.0), kind="stable")[:MOST_COMMON]
    headings = [(f"mean of {run.label}", "posterior mean, and its sd") for run in runs]
    headings.append(("difference", "largest difference of two means, in Monte Carlo errors"))
    lines = []
    for i in order:
        cells = []
        for number, each in enumerate(moments):
            sd = each["sd"].to_numpy()[each.index.get_indexer([shared[i]])[0]]
            spread = f" ({sd:.3g})" if np.isfinite(sd) else ""
            cells.append(Cell(f"{means[number, i]:.4g}{spread}", float(means[number, i])))
        cells.append(number_cell(float(far[i]), ".1f", bool(far[i] > SUSPICIOUS)))
        lines.append(Line(shared[i], cells))
    return Table(headings, lines, len(shared))


def _forest(runs: list[Run], shared: list[str]) -> Picture | None:
    """Intervals of the first common parameters, a line per run."""
    records = [run.record for run in runs]
    if any(record is None for record in records) or not shared:
        return None
    places = [{name: i for i, name in enumerate(r.names)} for r in records if r is not None]
    chosen = [
        name
        for name in shared
        if all(r.moving[p[name]] for r, p in zip(records, places, strict=True) if r is not None)
    ][:MOST_DRAWN]
    if not chosen:
        return None
    labels, titles = short_names(chosen), short_names(run.label for run in runs)

    def draw() -> Any:
        from arviz_plots import plot_forest

        trees = {
            title: featured_tree(run.record, [place[name] for name in chosen], labels, 1000)
            for title, run, place in zip(titles, runs, places, strict=True)
            if run.record is not None
        }
        height = 1.0 + 0.17 * (1 + len(runs)) * len(chosen)
        plot = plot_forest(
            trees,
            backend="matplotlib",
            combined=True,
            figure_kwargs={"figsize": (7.6, height), "width_ratios": (1, 3)},
        )
        plot.add_legend("model")
        return figure_of(plot)

    return drawn(
        "Intervals of common parameters",
        "comparison-forest",
        draw,
        "Medians with intervals of 50 % (thick) and 94 % (thin), a colour per run.",
        f"Intervals of {quoted(chosen, 6)} in {len(runs)} runs; the table has the numbers.",
    )


def _loo_table(runs: list[Run], loos: dict[str, list[Loo]], remarks: list[str]) -> Table | None:
    sites = [{entry.site: entry for entry in loos.get(run.label, [])} for run in runs]
    shared = [name for name in sites[0] if all(name in each for each in sites[1:])]
    if not shared:
        remarks.append("Leave-one-out is not compared: not every run has it for the same site.")
        return None
    site = shared[0]
    if not _same_data(runs, site):
        remarks.append(f"Leave-one-out is not compared: the runs saw other data for `{site}`.")
        return None
    from arviz_stats import compare

    try:
        result = compare(
            {run.label: each[site].result for run, each in zip(runs, sites, strict=True)}
        )
    except Exception as error:  # foreign pointwise values of other shapes
        remarks.append(f"Leave-one-out could not be compared: {str(error)[:200]}")
        return None
    headings = [
        ("rank", "0 predicts best"),
        ("elpd", "expected log predictive density by leave-one-out, nats"),
        ("se", "its standard error"),
        ("p", "effective number of parameters"),
        ("difference", "of elpd to the best, nats"),
        ("dse", "standard error of the difference"),
        ("weight", "stacking weight"),
    ]
    lines = []
    for label, row in result.iterrows():
        values = [
            float(row[name]) for name in ("rank", "elpd", "se", "p", "elpd_diff", "dse", "weight")
        ]
        forms = (".0f", ".2f", ".2f", ".2f", ".2f", ".2f", ".2f")
        lines.append(
            Line(str(label), [number_cell(v, f) for v, f in zip(values, forms, strict=True)])
        )
    if any(each[site].bad for each in sites):
        remarks.append("Some Pareto k are too high: leave-one-out of those runs is rough.")
    return Table(headings, lines, len(lines), f"run (site {site})")


def _same_data(runs: list[Run], site: str) -> bool:
    """Whether all runs that hold observed data for a site hold the same."""
    held = [
        run.dataset("observed_data")[site].values
        for run in runs
        if run.has("observed_data") and site in run.dataset("observed_data")
    ]
    return all(np.array_equal(held[0], other) for other in held[1:])
