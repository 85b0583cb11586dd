"""The result of comparing generative models: a table, pictures, a page, read from one DataTree."""

from __future__ import annotations

import math
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from probgen.errors import OptionError
from probgen.studies.compare.units import duration

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FLOOR", "GenerativeComparison", "heading_of"]

FLOOR = "data"
"""Label of the row in which data stand for draws."""
_LOWER = ("fid", "fid_infinity", "kid", "c2st", "mmd", "energy_distance", "sliced_wasserstein")
_HEADINGS = {"fid": "FID", "fid_infinity": "FID∞", "kid": "KID", "c2st": "C2ST", "mmd": "MMD"}


class GenerativeComparison:
    """Generative models of different families side by side; prints its table.

    Attributes
    ----------
    tree: the groups `models` (a number or text of every model), `quality` (every metric of every
        set of draws) and `samples` (some draws, in the common space). The model "data" is rows of
        data in the place of draws: what a perfect model comes to.

    """

    def __init__(self, tree: xr.DataTree) -> None:
        self.tree = tree

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row for each model: metrics, means over sets, with `..._sd`, the deviation of one set;
        log-likelihood (nats per case), its kind; parameters and seconds; status and reason.
        """
        frame = self.tree["models"].to_dataset().to_dataframe()
        for name, array in self.tree["quality"].to_dataset().data_vars.items():
            values = array.values
            known = np.isfinite(values).all(axis=1)
            frame[str(name)] = np.where(known, values.mean(axis=1), np.nan)
            spread = (
                values.std(axis=1, ddof=1) if values.shape[1] > 1 else np.full(len(values), np.nan)
            )
            frame[f"{name}_sd"] = np.where(known, spread, np.nan)
        return frame

    def to_frame(self) -> pd.DataFrame:
        """The table."""
        return self.table.copy()

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics."""
        return [str(name) for name in self.tree["quality"].data_vars]

    @property
    def notes(self) -> list[str]:
        """How to read the table, and what is missing from it and why."""
        attrs, table = self.tree.attrs, self.table
        often = (
            "once"
            if attrs["sets"] == 1
            else f"{attrs['sets']} times; ± is the standard deviation of one set"
        )
        told = [
            f"{attrs['rows']} draws against as many rows of data, {often}. "
            f"Features: {attrs['features']}. "
            f"The row `{FLOOR}` is {attrs['floor_of']} against the data.",
        ]
        told += [f"{m}: {row['reason']}" for m, row in table.iterrows() if row["reason"]]
        told += [f"{m}: {row['note']}" for m, row in table.iterrows() if row.get("note")]
        reasons = table.get("likelihood_reason", pd.Series(dtype=object))
        told += [f"{m}: no likelihood. {text}" for m, text in reasons.items() if text]
        return told + self._about_likelihoods()

    def _about_likelihoods(self) -> list[str]:
        """Which of them do not compare, and which way bounds lie."""
        if "log_likelihood" not in self.table:
            return []
        known = self.table[self.table["log_likelihood"].notna()]
        told = []
        spaces = [
            ", ".join(map(str, part.index)) for _, part in known.groupby("space", sort=False)
        ]
        if len(spaces) > 1:
            told.append(
                f"Log-likelihoods are of different values ({'; '.join(spaces)}), and compare only "
                "within those that share theirs."
            )
        if known["likelihood"].nunique() > 1:
            told.append(
                "Bounds from below are lower than what they bound; annealed estimates of "
                "Boltzmann machines are higher on average."
            )
        return told

    @property
    def best(self) -> dict[str, str]:
        """By metric the model that comes out best; the data are none."""
        found = {}
        for name in self.metrics:
            values = self.table[name].drop(index=FLOOR).dropna()
            if len(values):
                found[name] = str(values.idxmin() if name in _LOWER else values.idxmax())
        return found

    def cells(self) -> pd.DataFrame:
        """The table as texts, as it is printed."""
        table, shown = self.table, pd.DataFrame(index=self.table.index)
        shown["family"] = table["family"]
        for name in self.metrics:
            heading = heading_of(name)
            pairs = zip(table[name], table[f"{name}_sd"], strict=True)
            shown[heading] = [_with_error(value, error) for value, error in pairs]
        if "log_likelihood" in table:
            shown["nats per case"] = [
                _with_error(row["log_likelihood"], row["log_likelihood_error"], ".2f")
                if math.isfinite(row["log_likelihood"])
                else (row["likelihood"] or "-")
                for _, row in table.iterrows()
            ]
            shown["likelihood"] = [
                row["likelihood"] if math.isfinite(row["log_likelihood"]) else ""
                for _, row in table.iterrows()
            ]
        numbers = table.get("parameters", pd.Series(np.nan, table.index))
        shown["parameters"] = ["-" if math.isnan(x) else f"{int(x):,}" for x in numbers]
        for name, heading in (
            ("training_seconds", "training"),
            ("seconds_per_1000", "1000 draws"),
        ):
            seconds = table.get(name, pd.Series(np.nan, table.index))
            shown[heading] = ["-" if math.isnan(x) else duration(x) for x in seconds]
        failed = table["status"] == "failed"
        shown.loc[failed, shown.columns[1]] = "failed"
        return shown

    def plot(self) -> dict[str, Figure]:
        """Pictures by name: "samples", draws side by side; "quality", the metrics."""
        from probgen.studies.generative.pictures import figures

        return figures(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write to a file: .html (a page of its own), .csv (the table) or .nc (NetCDF).

        Raises `OptionError` for another ending.
        """
        target = Path(path).expanduser()
        if target.suffix == ".csv":
            self.table.to_csv(target)
        elif target.suffix == ".nc":
            self.tree.to_netcdf(target, engine="h5netcdf")
        elif target.suffix == ".html":
            from probgen.studies.generative.page import page

            target.write_text(page(self), encoding="utf-8")
        else:
            raise OptionError(f"save: {target.name} must end in .html, .csv or .nc.")
        return target

    def __str__(self) -> str:
        with pd.option_context("display.width", 250, "display.max_columns", 50):
            return "\n".join([self.cells().to_string(), *self.notes])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{_escaped(note)}</li>" for note in self.notes)
        return f"{self.cells().to_html(escape=True)}<ul>{notes}</ul>"


def heading_of(metric: str) -> str:
    """How a metric is called."""
    return _HEADINGS.get(metric, metric.replace("_", " "))


def _with_error(value: float, error: float, form: str = ".3g") -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:{form}}" + (f" ± {error:.2g}" if math.isfinite(error) and error else "")


def _escaped(text: Any) -> str:
    from html import escape

    return escape(str(text))
