"""Leave-one-out cross-validation of a run: PSIS-LOO (Vehtari, Gelman, Gabry 2017) by arviz-stats.

Of very many observations an even selection is left out, so that the report stays quick.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from probgen.diagnose.report.closeups import figure_of
from probgen.diagnose.report.pictures import Picture, drawn
from probgen.diagnose.report.runs import Run
from probgen.diagnose.report.table import Cell, Line, Table
from probgen.diagnose.words import count_of

__all__ = ["Loo", "khat_picture", "loo_of", "loo_table"]

MOST_OBSERVATIONS = 2000
"""Of one site: PSIS costs about a millisecond an observation."""
MOST_SITES = 3
MOST_BYTES = 1 << 30
"""Of the log likelihood of one site."""


@dataclass(frozen=True)
class Loo:
    """Leave-one-out of one observed site: expected log predictive density in nats.

    `observations` of the site's `of` were left out in turn; `result` is arviz's, with pointwise
    values; `worst` are the observations with the highest Pareto k, by position, and `bad` how
    many are above `good_k`, where PSIS cannot be relied on.
    """

    site: str
    elpd: float
    error: float
    parameters: float
    observations: int
    bad: int
    good_k: float
    worst: list[tuple[int, float]]
    of: int
    result: Any


def loo_of(run: Run) -> tuple[list[Loo], list[str]]:
    """Leave-one-out of every observed site with a log likelihood, and what could not be done."""
    if not run.has("log_likelihood"):
        return [], [
            "No leave-one-out cross-validation: the result has no log_likelihood group. "
            "`pg.infer(..., log_likelihood=True)` keeps one."
        ]
    found: list[Loo] = []
    remarks: list[str] = []
    arrays = list(run.dataset("log_likelihood").data_vars.items())
    for name, array in arrays[:MOST_SITES]:
        if array.size * 8 > MOST_BYTES:
            remarks.append(f"`{name}`: its log likelihood is too large for leave-one-out here.")
            continue
        try:
            found.append(_loo(run, str(name), array))
        except Exception as error:  # a foreign tree may hold what PSIS cannot take
            remarks.append(f"Leave-one-out of `{name}` failed: {str(error)[:200]}")
    remarks += [
        f"Of the {entry.of} observations of `{entry.site}` an even selection of "
        f"{entry.observations} was left out in turn; elpd is the sum over these alone."
        for entry in found
        if entry.observations < entry.of
    ]
    if len(arrays) > MOST_SITES:
        remarks.append(f"Leave-one-out only of the first {MOST_SITES} of {len(arrays)} sites.")
    return found, remarks


def _loo(run: Run, site: str, array: xr.DataArray) -> Loo:
    from arviz_stats import loo

    values = array.transpose("chain", "draw", ...).values
    flat = values.reshape(*values.shape[:2], -1)
    if not np.isfinite(flat).all():
        raise ValueError("some log likelihoods are not finite.")
    step = max(1, -(-flat.shape[2] // MOST_OBSERVATIONS))
    kept = xr.Dataset({site: (("chain", "draw", "observation"), flat[:, :, ::step])})
    groups = {"log_likelihood": kept, "posterior": run.dataset("posterior")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # high Pareto k stand in the table
        result: Any = loo(xr.DataTree.from_dict(groups), var_name=site, pointwise=True)
    k = np.asarray(result.pareto_k).ravel()
    order = np.argsort(-k)[:5]
    return Loo(
        site=site,
        elpd=float(result.elpd),
        error=float(result.se),
        parameters=float(result.p),
        observations=k.size,
        bad=int((k > result.good_k).sum()),
        good_k=float(result.good_k),
        worst=[(int(i) * step, float(k[i])) for i in order],
        of=flat.shape[2],
        result=result,
    )


def khat_picture(run: Run, entry: Loo, number: int) -> Picture:
    """Pareto k of every observation of one site."""

    def draw() -> Any:

        from arviz_plots import plot_khat

        plot = plot_khat(entry.result, backend="matplotlib", figure_kwargs={"figsize": (5.6, 2.6)})
        return figure_of(plot)

    return drawn(
        f"Influence of single observations on {entry.site}",
        f"{run.anchor}-khat{number}",
        draw,
        f"Pareto k of each observation; above {entry.good_k:.2f} leave-one-out cannot be "
        "relied on there, and the observation pulls hard at the posterior.",
        f"{entry.bad} of {count_of(entry.observations, 'observation')} above "
        f"{entry.good_k:.2f}; the highest is {entry.worst[0][1]:.2f}.",
    )


def loo_table(loos: list[Loo]) -> Table | None:
    """The leave-one-out results of a run as a table; None where there are none."""
    if not loos:
        return None
    headings = [
        ("elpd", "expected log predictive density, nats"),
        ("se", "its standard error"),
        ("p", "effective number of parameters"),
        ("observations", "how many were left out in turn"),
        ("k too high", "observations whose Pareto k is too high for PSIS"),
        ("highest k", "largest Pareto k, and the number of that observation"),
    ]
    lines = []
    for loo in loos:
        numbers = [(loo.elpd, ".2f"), (loo.error, ".2f"), (loo.parameters, ".2f")]
        cells = [Cell(format(value, form), value) for value, form in numbers]
        of = f" of {loo.of}" if loo.observations < loo.of else ""
        cells.append(Cell(f"{loo.observations}{of}", float(loo.observations)))
        cells.append(Cell(str(loo.bad), float(loo.bad), loo.bad > 0))
        place, k = loo.worst[0]
        cells.append(Cell(f"{k:.2f} (observation {place})", k, k > loo.good_k))
        lines.append(Line(loo.site, cells))
    return Table(headings, lines, len(lines), "site")
