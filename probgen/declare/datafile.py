"""Data files: JSON, CSV, NPZ and NetCDF read into the keyword arguments of a program.

Every file becomes one mapping from names to NumPy arrays (numbers stay Python numbers, since
they often are sizes of plates). What a program could not use is refused here, by name and with
the cure: text, missing cells, ragged lists. Nothing is unpickled.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from probgen.errors import DataError

__all__ = ["read_data_file"]


def read_data_file(path: str | Path) -> dict[str, Any]:
    """The variables of a `.json`, `.csv`, `.npz` or `.nc` file.

    JSON: one object; numbers and (nested) lists of numbers. CSV: a header line; columns become
    arrays of shape (row,). NPZ: arrays by name. NetCDF: the data variables of the root group.
    Floats are float64, integers int64, truth values bool. Raises `DataError`, naming the file
    and the variable, when there is no such file, the suffix is another, or a value is not
    numeric.
    """
    file = Path(path).expanduser()
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise DataError(
            f"{file.name!r} is of a kind that cannot be read: data files end in "
            f"{', '.join(_READERS)}."
        )
    if not file.is_file():
        raise DataError(f"The data file {file} does not exist.{_close_file(file)}")
    return reader(file)


def _close_file(file: Path) -> str:
    there = [p.name for p in file.parent.iterdir()] if file.parent.is_dir() else []
    close = difflib.get_close_matches(file.name, there, n=1, cutoff=0.6)
    return f" Did you mean {close[0]}?" if close else ""


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{file.name} is no valid JSON: {error}") from error
    if not isinstance(content, dict):
        raise DataError(
            f"{file.name} must hold one JSON object with names and values, such as "
            f'{{"y": [1.2, 3.4]}}, not a {type(content).__name__}.'
        )
    return {name: _json_value(file, name, value) for name, value in content.items()}


def _json_value(file: Path, name: str, value: Any) -> Any:
    if isinstance(value, (bool, int, float)):
        return value
    if value is None:
        raise DataError(f"{name!r} in {file.name} is null: leave it out, or give it a value.")
    if isinstance(value, dict):
        raise DataError(
            f"{name!r} in {file.name} is an object: data are numbers and lists of numbers, so "
            "move its members to the top, each under a name of its own."
        )
    try:
        array = np.array(value)
    except ValueError as error:
        raise DataError(
            f"{name!r} in {file.name} is ragged: its rows differ in length. Pad them, or give "
            "one flat list with a list of indices beside it."
        ) from error
    return _numeric(file, name, array)


def _read_csv(file: Path) -> dict[str, Any]:
    import pandas as pd

    try:
        table = pd.read_csv(file)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{file.name} is no valid CSV: {str(error).strip()}") from error
    return {str(name): _column(file, str(name), table[name]) for name in table.columns}


def _column(file: Path, name: str, column: Any) -> np.ndarray:
    import pandas as pd

    missing = column.isna()
    if missing.any():
        row = int(missing.to_numpy().argmax()) + 2  # line 1 is the header
        raise DataError(
            f"Column {name!r} of {file.name} has {int(missing.sum())} empty cells, the first "
            f"in line {row}: drop those rows, or fill the cells."
        )
    if not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column)):
        numbers = pd.to_numeric(column, errors="coerce")
        row = int(numbers.isna().to_numpy().argmax())
        raise DataError(
            f"Column {name!r} of {file.name} is not numeric (line {row + 2}: "
            f"{column.iloc[row]!r}). Code categories as 0, 1, 2, ..., for instance with "
            "pandas.factorize, or leave the column out."
        )
    return _numeric(file, name, column.to_numpy())


def _read_npz(file: Path) -> dict[str, Any]:
    try:
        with np.load(file, allow_pickle=False) as archive:
            return {name: _numeric(file, name, archive[name]) for name in archive.files}
    except DataError:
        raise
    except (ValueError, OSError, EOFError) as error:
        raise DataError(
            f"{file.name} cannot be read as NPZ: {error}. Write it with numpy.savez, with "
            "arrays of numbers only (objects would have to be unpickled, which is not done)."
        ) from error


def _read_netcdf(file: Path) -> dict[str, Any]:
    import xarray as xr

    try:
        with xr.open_dataset(file) as dataset:
            return {
                str(name): _numeric(file, str(name), variable.to_numpy())
                for name, variable in dataset.data_vars.items()
            }
    except (ValueError, OSError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{file.name} cannot be read as NetCDF: {error}") from error


def _numeric(file: Path, name: str, array: np.ndarray) -> Any:
    """`array` in the project's dtypes, or a Python number if it is a scalar."""
    dtypes = {"f": np.float64, "i": np.int64, "u": np.int64, "b": np.bool_}
    dtype = dtypes.get(array.dtype.kind)
    if dtype is None:
        raise DataError(
            f"{name!r} in {file.name} is not numeric (it holds {_content(array)}). Code "
            "categories as 0, 1, 2, ..., and leave out dates, text and empty values."
        )
    if array.dtype.kind == "u" and array.size and array.max() > np.iinfo(np.int64).max:
        raise DataError(f"{name!r} in {file.name} holds integers beyond 63 bits.")
    return array.astype(dtype).item() if array.ndim == 0 else array.astype(dtype)


def _content(array: np.ndarray) -> str:
    names = {
        "U": "text", "S": "text", "O": "text, empty values or huge integers",
        "M": "dates", "m": "durations", "c": "complex numbers",
    }  # fmt: skip
    return names.get(array.dtype.kind, str(array.dtype))


_READERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    ".json": _read_json,
    ".csv": _read_csv,
    ".npz": _read_npz,
    ".nc": _read_netcdf,
}
