"""The result of `compare`: tables, curves and words, all read from one DataTree."""

from __future__ import annotations

import json
import math
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import xarray as xr

from probgen.errors import DataError, OptionError
from probgen.studies.compare import words
from probgen.studies.compare.summary import GOOD, summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Comparison", "read_comparison"]

_INFINITIES = {"Infinity": math.inf, "-Infinity": -math.inf}


class Comparison:
    """Methods side by side; prints itself, best first.

    Attributes
    ----------
    tree: the DataTree that holds everything: groups `runs`, and with a reference `errors`
        (run, scalar, statistic), `curves` (run, step) and `reference`.
    """

    def __init__(self, tree: xr.DataTree) -> None:
        if "runs" not in tree.children or "standing" in tree["runs"].data_vars:
            raise DataError("This is no comparison: it has no group `runs`.")
        self.tree = tree

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per method (and budget), best first; see `summary`."""
        return summary(self.tree)

    @property
    def runs(self) -> pd.DataFrame:
        """A row per run with every number measured; failures with their reason."""
        return self.tree["runs"].to_dataset().to_dataframe()

    @property
    def curves(self) -> pd.DataFrame:
        """Errors as the budget grows: a row per run and budget, with seconds and gradients.

        `worst` and `average` are errors of the means over scalars in reference sds (of networks,
        total variation distances over variables). Empty without a reference.
        """
        if "curves" not in self.tree.children:
            return pd.DataFrame(columns=["run", "method", "seed", "draws", "seconds"])
        curves = self.tree["curves"].to_dataset().to_dataframe().dropna(subset="draws")
        return curves.reset_index().join(self.runs[["method", "seed", "budget"]], on="run")

    @property
    def verdict(self) -> str:
        """Who serves best, who is fast but wrong, who failed: plain sentences."""
        return " ".join(self.sentences)

    @property
    def sentences(self) -> list[str]:
        """The verdict, a sentence on each method, the best first."""
        return words.sentences(self.table, self.tree)

    @property
    def caveats(self) -> list[str]:
        """What to know before believing the numbers."""
        return words.caveats(self.table, self.tree)

    @property
    def best(self) -> str | None:
        """Label of the best method; None when no answer is to be trusted."""
        first = self.table.iloc[0]
        return str(first["method"]) if first["standing"] in GOOD else None

    def plot(self) -> dict[str, Figure]:
        """Pictures by name: "errors", "efficiency", and "curves" where there are any."""
        from probgen.studies.compare.plots import figures

        return figures(self)

    @property
    def html(self) -> str:
        """Verdict, table and pictures as a fragment of HTML, for a page of any kind."""
        from probgen.studies.compare.page import fragment

        return fragment(self)

    def to_json(self) -> str:
        """Everything as JSON; NaN is null."""
        groups = {
            str(name): _without_nan(group.to_dataset().to_dict())
            for name, group in self.tree.children.items()
        }
        said = {"best": self.best, "verdict": self.verdict, "caveats": self.caveats}
        attrs = _without_nan(dict(self.tree.attrs))
        return json.dumps({**said, "attrs": attrs, "groups": groups})

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write to a file: .json, .nc (NetCDF), .csv (the table), or .html (a page of its own).

        Raises `OptionError` for another ending.
        """
        target = Path(path).expanduser()
        if target.suffix == ".json":
            target.write_text(self.to_json(), encoding="utf-8")
        elif target.suffix == ".nc":
            self.tree.to_netcdf(target, engine="h5netcdf")
        elif target.suffix == ".csv":
            self.table.to_csv(target, index=False)
        elif target.suffix == ".html":
            from probgen.studies.compare.page import page

            target.write_text(page(self), encoding="utf-8")
        else:
            raise OptionError(f"save: {target.name} must end in .json, .nc, .csv or .html.")
        return target

    def __rich__(self) -> Any:
        from probgen.studies.compare.render import as_rich

        return as_rich(self)

    def __str__(self) -> str:
        from probgen.studies.compare.render import as_text

        return as_text(self)

    def __repr__(self) -> str:
        methods = ", ".join(self.runs["method"].unique())
        return f"Comparison({methods}; {len(self.runs)} runs of {self.tree.attrs.get('model')})"

    def _repr_html_(self) -> str:
        return self.html


def read_comparison(path: str | os.PathLike[str]) -> Comparison:
    """A comparison saved as .json or .nc; `DataError` when the file holds none."""
    source = Path(path).expanduser()
    try:
        if source.suffix == ".nc":
            with xr.open_datatree(source, engine="h5netcdf") as opened:
                return Comparison(opened.load())
        text = json.loads(source.read_text(encoding="utf-8"))
        groups = {n: xr.Dataset.from_dict(_with_nan(g)) for n, g in text["groups"].items()}
        tree = xr.DataTree.from_dict(groups)
        tree.attrs = _with_nan(text["attrs"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{source} holds no comparison ({error}).") from error
    return Comparison(tree)


def _without_nan(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    if isinstance(value, dict):
        return {str(name): _without_nan(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(part) for part in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("-" if value < 0 else "") + "Infinity"
    return value


def _with_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_nan(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_with_nan(part) for part in value]
    return (
        math.nan
        if value is None
        else _INFINITIES.get(value, value)
        if isinstance(value, str)
        else value
    )
