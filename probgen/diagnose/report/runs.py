"""The runs of a report: each a labelled tree with its verdict and, of draws, its record.

A result may be a DataTree, whatever `arviz_base` converts to one, or files that
`probgen.diagnose.reading` reads. Nothing is unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import xarray as xr

from probgen.diagnose.judge import diagnose
from probgen.diagnose.network_record import has_marginals
from probgen.diagnose.reading import are_files, read_files
from probgen.diagnose.record import Record, as_datatree, read_record
from probgen.diagnose.verdict import Verdict
from probgen.errors import OptionError

__all__ = ["Run", "read_runs"]


@dataclass(frozen=True, eq=False)
class Run:
    """One result as the report sees it.

    Attributes
    ----------
    label: what the report calls it; labels differ between the runs of a report.
    anchor: the same as a name for links, made of letters and digits alone.
    tree: the result.
    verdict: what `diagnose` says of it.
    record: its scalar parameters and sampler statistics; None for discrete networks.
    opened: whether the tree was opened here, from a file that is to be closed.

    """

    label: str
    anchor: str
    tree: xr.DataTree
    verdict: Verdict
    record: Record | None
    opened: bool = False

    @property
    def attrs(self) -> dict[str, Any]:
        """Attributes of the run; those of the posterior where the root has none."""
        merged: dict[str, Any] = {}
        for group in ("sample_stats", "posterior"):
            if group in self.tree.children:
                merged.update({str(k): v for k, v in self.tree[group].attrs.items()})
        return merged | {str(k): v for k, v in self.tree.attrs.items()}

    def dataset(self, group: str) -> xr.Dataset:
        """The variables of one group."""
        return self.tree.children[group].to_dataset()

    def has(self, *groups: str) -> bool:
        """Whether all these groups are there, with variables in them."""
        return all(g in self.tree.children and self.tree[g].data_vars for g in groups)


def read_runs(results: Any) -> list[Run]:
    """The runs of a report from one result, a sequence of results, or results by label.

    Raises `DataError` when one cannot be read, naming it, and `OptionError` when there is none.
    """
    labelled = list(_labelled(results))
    if not labelled:
        raise OptionError("report: there is no result to report on.")
    runs: list[Run] = []
    for number, (label, result) in enumerate(labelled):
        opened = are_files(result)
        tree = read_files(result) if opened else result
        network = has_marginals(tree)
        tree = tree if network else as_datatree(tree)
        name = _distinct(label or _name_of(tree), [run.label for run in runs])
        record = None if network else read_record(tree)
        runs.append(Run(name, f"run{number + 1}", tree, diagnose(tree), record, opened))
    return runs


def _labelled(results: Any) -> list[tuple[str, Any]]:
    """Results with their labels; the CSV files of CmdStan's chains in a list are one result."""
    if isinstance(results, Mapping) and not isinstance(results, xr.DataTree):
        return [(str(label), result) for label, result in results.items()]
    alone = isinstance(results, (str, PathLike)) or not isinstance(results, Sequence)
    every = [results] if alone else list(results)
    chains = [each for each in every if _is_csv(each)]
    rest = [(_file_name(each), each) for each in every if not _is_csv(each)]
    return [*rest, (_file_name(chains[0]), chains)] if chains else rest


def _is_csv(result: Any) -> bool:
    return isinstance(result, (str, PathLike)) and str(result).lower().endswith(".csv")


def _file_name(result: Any) -> str:
    return Path(result).name if isinstance(result, (str, PathLike)) else ""


def _name_of(tree: xr.DataTree) -> str:
    words = [str(tree.attrs.get(key, "")) for key in ("model", "method")]
    return ", ".join(word for word in words if word) or "run"


def _distinct(label: str, taken: list[str]) -> str:
    number, distinct = 1, label
    while distinct in taken:
        number += 1
        distinct = f"{label} ({number})"
    return distinct
