"""Leave-one-out cross-validation of a run: PSIS-LOO (Vehtari, Gelman, Gabry 2017) by arviz-stats.

Of very many observations an even selection is left out, so that the report stays quick.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from scipy.special import logsumexp

from probgen.diagnose.report.closeups import figure_of
from probgen.diagnose.report.pictures import Picture, drawn
from probgen.diagnose.report.runs import Run
from probgen.diagnose.report.table import Cell, Line, Table
from probgen.diagnose.words import count_of

__all__ = ["Loo", "khat_picture", "loo_of", "loo_table"]

MOST_OBSERVATIONS = 2000
"""Of one site: PSIS costs about a millisecond an observation."""
EVEN = 0.1
"""Nats by which the largest log ratio exceeds the log of their mean: with less, no tail."""
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
    flat, of = flat[:, :, ::step], flat.shape[2]
    even = _even(flat)
    judged = np.where(even, _any_uneven(flat, even)[..., None], flat)
    kept = xr.Dataset({site: (("chain", "draw", "observation"), judged)})
    groups = {"log_likelihood": kept, "posterior": run.dataset("posterior")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # high Pareto k stand in the table
        result: Any = loo(xr.DataTree.from_dict(groups), var_name=site, pointwise=True)
    if even.any():
        _put_even(result, flat.reshape(-1, flat.shape[2]), even)
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
        of=of,
        result=result,
    )


def _even(values: np.ndarray) -> np.ndarray:
    """Which observations have ratios that are all but equal, (observation,).

    `values` are log likelihoods (chain, draw, observation). A Pareto fit to ratios without a tail,
    such as those of an outcome that is certain in every draw, measures rounding: k is of any
    size, the sum is NaN, or the fit fails.
    """
    ratios = -values.reshape(-1, values.shape[2])
    return np.asarray(ratios.max(axis=0) - _log_mean(ratios) < EVEN)


def _any_uneven(values: np.ndarray, even: np.ndarray) -> np.ndarray:
    """Log likelihoods (chain, draw) to stand in for those that cannot be fitted."""
    if not even.all():
        return np.asarray(values[..., np.argmin(even)])
    return np.random.default_rng(0).normal(size=values.shape[:2])


def _put_even(result: Any, values: np.ndarray, even: np.ndarray) -> None:
    """Give even observations their plain estimate and k = 0; `values` is (draw, observation)."""
    elpd = np.where(even, -_log_mean(-values), np.asarray(result.elpd_i))
    k = np.where(even, 0.0, np.asarray(result.pareto_k))
    result.elpd_i = result.elpd_i.copy(data=elpd)
    result.pareto_k = result.pareto_k.copy(data=k)
    result.elpd, result.p = float(elpd.sum()), float((_log_mean(values) - elpd).sum())
    result.se = float(np.sqrt(elpd.size * elpd.var()))
    result.warning = bool((k > result.good_k).any())


def _log_mean(logs: np.ndarray) -> np.ndarray:
    """Logarithm of the mean over the first dimension."""
    return np.asarray(logsumexp(logs, axis=0) - np.log(len(logs)))


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
