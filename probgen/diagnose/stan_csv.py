"""Output files of CmdStan (one CSV for each chain) as a DataTree.

The format is that of the CmdStan guide, appendix "Stan CSV file format": settings as comments,
a line of column names, draws, with comments on the adaptation in between. Columns that end in
two underscores are statistics of the sampler; `theta.2.1` is an element of an array.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from probgen.errors import DataError

# CmdStan's names of statistics -> ours
STATISTICS = {
    "lp__": "lp",
    "accept_stat__": "acceptance_rate",
    "stepsize__": "step_size",
    "treedepth__": "tree_depth",
    "n_leapfrog__": "n_steps",
    "divergent__": "diverging",
    "energy__": "energy",
}
WHOLE = {"tree_depth": np.int64, "n_steps": np.int64, "diverging": np.bool_}
SETTING = re.compile(r"#\s*([A-Za-z_][A-Za-z_0-9 ]*?)\s*=\s*(.*?)\s*(?:\(Default\))?\s*$")
ELEMENT = re.compile(r"^(.+?)((?:\.\d+)+)$")


def read_stan_csv(files: Sequence[Path]) -> xr.DataTree:
    """Posterior and sample_stats of chains, one file each, in the order of the files.

    Warm-up draws are left out. Raises `DataError` naming the file that is no output of CmdStan's
    sampler, has no draws, or has other columns than the first.
    """
    chains = [read_chain(file) for file in files]
    columns, _, settings = chains[0]
    for file, (names, _, _) in zip(files, chains, strict=True):
        if names != columns:
            raise DataError(
                f"{file} has other columns than {files[0]}: give the chains of one run only."
            )
    lengths = [len(draws) for _, draws, _ in chains]
    draws = np.stack([values[: min(lengths)] for _, values, _ in chains])
    sites: dict[str, list[tuple[tuple[int, ...], int]]] = {}
    stats: dict[str, tuple[tuple[str, str], np.ndarray]] = {}
    for number, column in enumerate(columns):
        if column.endswith("__"):
            name = STATISTICS.get(column, column.removesuffix("__"))
            values = draws[:, :, number]
            stats[name] = (("chain", "draw"), values.astype(WHOLE.get(name, float)))
            continue
        found = ELEMENT.match(column)
        name = found.group(1) if found else column
        index = tuple(int(part) for part in found.group(2)[1:].split(".")) if found else ()
        sites.setdefault(name, []).append((index, number))
    posterior = {name: site(name, members, draws) for name, members in sites.items()}
    tree = xr.DataTree.from_dict(
        {"posterior": xr.Dataset(posterior), "sample_stats": xr.Dataset(stats)}
    )
    tree.attrs.update(attributes(settings))
    if min(lengths) < max(lengths):
        tree.attrs["notes"] = [
            f"The chains have from {min(lengths)} to {max(lengths)} draws, as those of an "
            f"interrupted run: the first {min(lengths)} of each were looked at."
        ]
    return tree


def site(name: str, members: list[tuple[tuple[int, ...], int]], draws: np.ndarray) -> xr.DataArray:
    """The columns of one site as (chain, draw, ...), with Stan's indices from 1 as coordinates."""
    rank = len(members[0][0])
    shape = tuple(max(index[axis] for index, _ in members) for axis in range(rank))
    values = np.full((*draws.shape[:2], *shape), np.nan)
    for index, column in members:
        places: tuple[Any, ...] = (..., *(place - 1 for place in index))
        values[places] = draws[:, :, column]
    dims = [f"{name}_dim_{axis}" for axis in range(rank)]
    coords = {dim: np.arange(1, size + 1) for dim, size in zip(dims, shape, strict=True)}
    return xr.DataArray(values, coords, dims=("chain", "draw", *dims))


def read_chain(file: Path) -> tuple[list[str], np.ndarray, dict[str, str]]:
    """Column names, draws after warm-up (draw, column), and settings of one file."""
    settings: dict[str, str] = {}
    columns: list[str] = []
    rows: list[str] = []
    try:
        with open(file, encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("#"):
                    # What stands below the names are results: inverse metric, seconds.
                    if not columns and (found := SETTING.match(line)):
                        settings.setdefault(found.group(1), found.group(2))
                elif not columns:
                    columns = line.strip().split(",")
                elif line.strip():
                    rows.append(line)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read as output of CmdStan ({error}).") from error
    if "lp__" not in columns:
        raise DataError(f"{file} is no output of CmdStan: it has no column `lp__`.")
    if settings.get("method", "sample") != "sample":
        raise DataError(
            f"{file} holds results of CmdStan's method {settings['method']}: only draws of its "
            "sampler can be diagnosed."
        )
    if rows and not rows[-1].endswith("\n"):
        rows.pop()  # cut off while it was written
    try:
        draws = np.loadtxt(rows, delimiter=",", ndmin=2) if rows else np.empty((0, len(columns)))
        if draws.shape[1] != len(columns):
            raise ValueError(f"{draws.shape[1]} numbers a row for {len(columns)} columns")
    except ValueError as error:
        raise DataError(f"{file} is damaged: {error}.") from error
    draws = draws[warm_rows(settings) :]
    if not len(draws):
        raise DataError(f"{file} holds no draws after warm-up.")
    return columns, draws, settings


def warm_rows(settings: dict[str, str]) -> int:
    """How many rows are warm-up draws."""
    if settings.get("save_warmup", "0") not in ("1", "true"):
        return 0
    thin = int(settings.get("thin", 1))
    return -(-int(settings.get("num_warmup", 1000)) // thin)


def attributes(settings: dict[str, str]) -> dict[str, object]:
    """What the advice quotes of the settings."""
    found: dict[str, object] = {"inference_library": "CmdStan"}
    for ours, theirs in (("target_accept", "delta"), ("max_tree_depth", "max_depth")):
        if theirs in settings:
            found[ours] = float(settings[theirs])
    return found
