"""Results out of files: stores, Zarr, NetCDF of any version of ArviZ, and CmdStan's CSV files."""

import glob
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import xarray as xr

from probgen.diagnose.stan_csv import read_stan_csv
from probgen.errors import DataError

LOADED_WHOLE = 1 << 30  # bytes; larger results are read while they are looked at


def are_files(source: Any) -> bool:
    """Whether a source of draws is a path, a pattern, or a list of them."""
    if isinstance(source, str | os.PathLike):
        return True
    return (
        isinstance(source, list | tuple)
        and bool(source)
        and all(isinstance(part, str | os.PathLike) for part in source)
    )


def read_files(source: Any) -> xr.DataTree:
    """The DataTree in a file or directory, or in the CSV files of several chains.

    `source` is a path, a pattern like "run_*.csv", or a list of them. Raises `DataError` where
    nothing is found, or what is found holds no draws; a Python pickle is refused unread.
    """
    files = list(found(source if isinstance(source, list | tuple) else [source]))
    if all(file.suffix.lower() == ".csv" for file in files):
        return read_stan_csv(files)
    if len(files) > 1:
        raise DataError(
            f"{len(files)} files were given: only the CSV files of CmdStan's chains are read "
            "together. Give one NetCDF file, or one store, at a time."
        )
    from probgen.results.store.export import open_tree

    tree = open_tree(files[0])
    if tree.nbytes <= LOADED_WHOLE:
        try:
            with tree:
                return tree.load()
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise DataError(f"{files[0]} cannot be read: it is damaged ({error}).") from error
    return tree


def found(sources: Iterable[Any]) -> Iterable[Path]:
    """Paths, patterns spelt out in the order of their names."""
    for source in sources:
        path = Path(source).expanduser()
        if path.exists():
            yield path
            continue
        matches = sorted(glob.glob(str(path)), key=by_number)
        if not matches:
            raise DataError(f"There is no file {path}.")
        yield from map(Path, matches)


def by_number(name: str) -> tuple[int, str]:
    """So that chain 10 comes after chain 9."""
    return len(name), name
