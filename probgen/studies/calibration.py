"""The result of a calibration study: ranks, verdict, tables, picture, and a file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from probgen.errors import DataError, OptionError
from probgen.studies.sbc.statistics import Scalar, coverage_of, statistics_of
from probgen.studies.sbc.verdict import CalibrationVerdict, judge

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Calibration"]

GROUPS = ("ranks", "truth", "posterior_mean", "posterior_sd")


@dataclass(frozen=True, eq=False, repr=False)
class Calibration:
    """What `calibrate` found.

    `tree` holds all of it: the groups `ranks`, `truth`, `posterior_mean` and `posterior_sd` with
    the dimension `replication` before those of the quantity, and `replications` with `ess`,
    `divergences`, `seconds` and `error` of each.
    """

    tree: xr.DataTree

    @property
    def ranks(self) -> xr.DataTree:
        """Rank of the truth among the draws, (replication, ...) by quantity; -1 if unknown."""
        return self.tree.children["ranks"]

    @property
    def largest(self) -> int:
        """Number of draws that the truth was ranked among, and so the largest rank."""
        return int(self.tree.attrs["ranks_among"])

    @cached_property
    def scalars(self) -> list[Scalar]:
        """Every scalar quantity that varies, over the replications in which its rank is known."""
        stacked = {group: self.tree[group].dataset for group in GROUPS}
        found = []
        for name in stacked["ranks"].data_vars:
            columns = [stacked[group][name].values for group in GROUPS]
            shape = columns[0].shape[1:]
            for index in np.ndindex(*shape):
                ranks, truth, mean, sd = (column[(slice(None), *index)] for column in columns)
                known = ranks >= 0
                if not known.any() or (np.ptp(truth[known]) == 0 and not sd[known].any()):
                    continue  # a constant, such as the zeros of a triangular matrix
                label = f"{name}[{','.join(map(str, index))}]" if index else str(name)
                parts = (ranks[known].astype(np.int64), truth[known], mean[known], sd[known])
                found.append(Scalar(label, *parts))
        return found

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per scalar: tests, z-scores, contraction, shape; see `sbc.statistics`."""
        return statistics_of(self.scalars, self.largest)

    @property
    def worst(self) -> list[str]:
        """Names of all scalars, the most suspicious first."""
        if not len(self.table):
            return []
        alone = self.table[["p_ecdf", "p_chi2"]].min(axis=1)
        order = np.lexsort((alone.to_numpy(), self.table["p_adjusted"].to_numpy()))
        return [str(self.table.index[k]) for k in order]

    @cached_property
    def coverage(self) -> pd.DataFrame:
        """How often central intervals held the truth, indexed by (quantity, interval)."""
        rows = [
            {"quantity": scalar.name, **row}
            for scalar in self.scalars
            for row in coverage_of(scalar, self.largest)
        ]
        columns = ["quantity", "interval", "nominal", "coverage", "error", "z"]
        return pd.DataFrame(rows, columns=columns).set_index(["quantity", "interval"])

    @cached_property
    def verdict(self) -> CalibrationVerdict:
        """Whether the method is calibrated, and what speaks against it."""
        rows, truth = self.tree["replications"].dataset, self.tree["truth"].dataset
        return judge(self.table, rows, truth, dict(self.tree.attrs))

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against the method."""
        return self.verdict.passed

    def plot(self, path: str | os.PathLike[str] | None = None, most: int = 8) -> Figure:
        """ECDF of the ranks with simultaneous bands, and coverage; written to `path` if given.

        The `most` suspicious scalars are shown, worst first.
        """
        from probgen.studies.sbc.picture import draw

        figure = draw(self, most)
        if path is not None:
            try:
                figure.savefig(path, facecolor="white")
            except (OSError, ValueError) as error:
                raise OptionError(f"The picture {path} cannot be written: {error}.") from error
        return figure

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything to a NetCDF file; `Calibration.load` reads it."""
        path = Path(path)
        try:
            self.tree.to_netcdf(path, engine="h5netcdf")
        except OSError as error:
            raise OptionError(f"{path} cannot be written: {error}.") from error
        return path

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Calibration:
        """Read a file that `save` has written; raises `DataError` for any other."""
        try:
            with xr.open_datatree(path, engine="h5netcdf") as file:
                tree = file.load()
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{path} is no file that Calibration.save has written.") from error
        if not {*GROUPS, "replications"} <= set(tree.children):
            raise DataError(f"{path} holds no calibration study.")
        return cls(tree)

    def __str__(self) -> str:
        from probgen.studies.sbc.render import as_text

        return as_text(self)

    def __repr__(self) -> str:
        return f"Calibration(passed={self.passed}, {self.verdict.headline!r})"

    def __rich__(self) -> Any:
        from probgen.studies.sbc.render import as_rich

        return as_rich(self)
