"""One line per method (and budget): medians over seeds, pooled bias, what it is good for.

The order is by standing first, then by the seconds until the worst scalar has `ENOUGH`
effective draws, warm-up charged; engines that do not sample need the seconds of their one run.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import xarray as xr

from probgen.studies.compare.accuracy import Accuracy, pooled
from probgen.studies.compare.costs import ENOUGH

__all__ = ["GOOD", "STANDINGS", "bias_limits", "is_of_states", "summary"]

STANDINGS = (
    *("right", "passed", "slightly biased"),
    *("unchecked", "not trusted", "biased", "failed"),
)
"""Best first. Where errors were not measured, "passed" is a method whose diagnosis is content, and
"unchecked" an approximation whose error its diagnosis cannot see."""
GOOD = STANDINGS[:3]
MEDIANS = (
    "seconds",
    "ess_bulk_worst",
    "ess_tail_worst",
    "ess_per_second",
    "ess_per_gradient",
    "ess_per_second_median",
    "ess_per_gradient_median",
    "gradients",
    "error_mean_worst",
    "error_mean_average",
    "error_sd_worst",
    "error_sd_average",
    "error_quantile_worst",
    "error_quantile_average",
    "total_variation_worst",
    "total_variation_average",
    "sliced_wasserstein",
    "mmd",
    "log_evidence_error",
    "r_hat",
    "trusted_seconds",
    "memory_mb",
    "memory_added_mb",
)


def bias_limits(of_states: bool) -> tuple[float, float]:
    """Bias worth saying, and bias that spoils: in reference sds, or in probability."""
    return (1e-4, 1e-2) if of_states else (5e-3, 0.1)


def summary(tree: xr.DataTree) -> pd.DataFrame:
    """A row per method and budget, best first.

    Columns: standing; finished (of runs); trusted (of the finished); needed (seconds to
    `ENOUGH` effective draws; median, least and most over seeds); bias with bias_of and
    bias_statistic (pooled over seeds); medians over seeds of the numbers of `runs`, those that
    there are; reason of the first failure; fallback; findings and advice of the first run not
    trusted.
    """
    runs = tree["runs"].to_dataset().to_dataframe()
    keys = ["method"] if runs["budget"].nunique(dropna=False) == 1 else ["method", "budget"]
    rows = []
    for group, part in runs.groupby(keys, sort=False, dropna=False):
        rows.append(dict(zip(keys, group, strict=True)) | _row(tree, part))
    table = pd.DataFrame(rows)
    table["_rank"] = table["standing"].map(STANDINGS.index)
    table = table.sort_values(["_rank", "needed"], na_position="last", kind="stable")
    missing = [name for name in MEDIANS if name in table and table[name].isna().all()]
    return table.drop(columns=["_rank", *missing]).reset_index(drop=True)


def is_of_states(tree: xr.DataTree) -> bool:
    """Whether errors are those of the probabilities of states."""
    return "probability" in tree["errors"].to_dataset()["statistic"].values.tolist()


def _row(tree: xr.DataTree, part: pd.DataFrame) -> dict[str, object]:
    done = part[part["status"] == "done"]
    accuracy = _pooled(tree, done.index.tolist())
    bias, scalar, statistic = (math.nan, "", "") if accuracy is None else accuracy.most_biased()
    row: dict[str, object] = {
        "standing": _standing(tree, done, bias),
        "finished": f"{len(done)}/{len(part)}",
        "trusted": f"{int(done['trustworthy'].sum())}/{len(done)}" if len(done) else "",
        **_range_of("needed", _needed(done) if len(done) else pd.Series(dtype=float)),
        "bias": bias,
        "bias_of": scalar,
        "bias_statistic": statistic,
    }
    for name in MEDIANS:
        if name in done and len(done):
            row[name] = _median(done[name])
    row["reason"] = _first(part.loc[part["status"] != "done", "reason"])
    row["fallback"] = _first(done["fallback"])
    for name in ("findings", "advice"):
        row[name] = _first(done[name]) if name in done else ""
    return row


def _standing(tree: xr.DataTree, done: pd.DataFrame, bias: float) -> str:
    if done.empty:
        return "failed"
    measured = "errors" in tree.children
    slight, spoilt = bias_limits(measured and is_of_states(tree))
    if bias >= spoilt:
        return "biased"
    if done["trustworthy"].mean() < 0.5 or (math.isnan(bias) and measured):
        return "not trusted"
    if not measured:
        return "unchecked" if done["unchecked"].any() else "passed"
    return "slightly biased" if bias > slight else "right"


def _range_of(name: str, column: pd.Series) -> dict[str, float]:
    """Median, least and most over seeds."""
    values = (_median(column), column.min(), column.max()) if len(column) else (math.nan,) * 3
    return dict(zip((name, f"{name}_least", f"{name}_most"), values, strict=True))


def _needed(done: pd.DataFrame) -> pd.Series:
    """Seconds until the worst scalar has `ENOUGH` effective draws, warm-up charged."""
    worst = done[["ess_bulk_worst", "ess_tail_worst"]].min(axis=1)
    sampling = done["seconds_sampling"] * ENOUGH / worst
    return (done["seconds_warmup"] + sampling).where(worst.notna(), done["seconds"])


def _pooled(tree: xr.DataTree, runs: list[int]) -> Accuracy | None:
    """Accuracy of the average over the runs of a method that finished."""
    if "errors" not in tree.children or not runs:
        return None
    errors = tree["errors"].to_dataset().isel(run=runs)
    names = tuple(map(str, errors["scalar"].values))
    statistics = tuple(map(str, errors["statistic"].values))
    columns = (errors[name].values for name in ("error", "noise", "reference_noise"))
    parts = [
        Accuracy(names, statistics, *part)
        for part in zip(*columns, strict=True)
        if np.isfinite(part[0]).any()
    ]
    return pooled(parts) if parts else None


def _median(column: pd.Series) -> float:
    """Median of numbers among which may be infinity; NaN when all are missing."""
    known = column.dropna().to_numpy(float)
    return float(np.median(known)) if len(known) else math.nan


def _first(texts: pd.Series) -> str:
    found = [text for text in texts if text]
    return found[0] if found else ""
