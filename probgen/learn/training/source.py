"""Data in any form, as `Rows` by the names of the program's arguments.

Tensors, arrays (memory-mapped ones stay on disk), data frames, xarray objects, torch Datasets
whose items are found by number, and mappings of arrays, tensors or columns by name.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from probgen.errors import DataError
from probgen.learn.training.rows import (
    ArrayColumn,
    Column,
    DatasetColumns,
    Rows,
    TensorColumn,
    to_tensor,
)

__all__ = ["read_rows"]


def read_rows(data: Any, names: Sequence[str], shapes: Mapping[str, tuple[int, ...]]) -> Rows:
    """The rows of `data`.

    `names` are the program's arguments that are data, the likeliest first; `shapes` those of a
    case where they are known, which tell which argument a single array stands for.

    Raises `DataError`: no data, no rows, unknown names, lengths that differ, no numbers.
    """
    if data is None:
        raise DataError(f"fit needs data: pass data={{{(names or ['x'])[0]!r}: ...}}.")
    if isinstance(data, (str, bytes)) or hasattr(data, "__fspath__"):
        raise DataError(
            f"data={str(data)!r} is text: read the file first, for instance with numpy.load("
            '..., mmap_mode="r").'
        )
    if _is_dataset(data):
        return _from_dataset(data, names)
    columns = _columns(data, names, shapes)
    _check_names(columns, names)
    _check_lengths({name: len(column) for name, column in columns.items()})
    return Rows(columns, tuple(columns))


def _columns(
    data: Any, names: Sequence[str], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Column]:
    import xarray as xr

    if _is_frame(data):
        by_name = len(names) > 1 or set(map(str, data.columns)) <= set(names)
        data = {str(n): data[n] for n in data.columns} if by_name else data.to_numpy()
    elif isinstance(data, xr.Dataset):
        data = {str(name): data[name] for name in data.data_vars}
    if isinstance(data, Mapping):
        return {str(name): _column(str(name), value) for name, value in data.items()}
    if not names:
        raise DataError("The program takes no data: give its function or `forward` an argument.")
    whole = _column(names[0], data)
    shape = tuple(whole.take(torch.zeros(min(len(whole), 1), dtype=torch.long)).shape[1:])
    fitting = [name for name in names if shapes.get(name) == shape]
    return {(fitting or [*names])[0]: whole}


def _column(name: str, value: Any) -> Column:
    import xarray as xr

    if isinstance(value, (list, tuple)):
        value = to_tensor(name, value)
    if isinstance(value, Mapping) or np.ndim(value) == 0:
        raise DataError(
            f"data[{name!r}] is {type(value).__name__}: an array with a row for each case is "
            "needed. Sizes and other constants belong to the program itself."
        )
    if isinstance(value, xr.DataArray):
        if not isinstance(value.variable._data, np.ndarray):
            first = value.dims[0]
            return ArrayColumn(name, len(value), lambda rows: value.isel({first: rows}).values)
        value = value.values
    if isinstance(value, np.memmap):
        return ArrayColumn(name, len(value), lambda rows: value[rows])
    if hasattr(value, "to_numpy") and not isinstance(value, np.ndarray):
        value = value.to_numpy()
    return TensorColumn(to_tensor(name, value))


def _is_frame(data: Any) -> bool:
    return hasattr(data, "columns") and hasattr(data, "iloc")


def _is_dataset(data: Any) -> bool:
    return isinstance(data, torch.utils.data.Dataset)


def _from_dataset(data: Any, names: Sequence[str]) -> Rows:
    if not hasattr(data, "__len__") or isinstance(data, torch.utils.data.IterableDataset):
        raise DataError(
            f"{type(data).__name__} gives its items in a row: fit needs a Dataset with "
            "__getitem__ and __len__, so that batches can be drawn, and gone on with."
        )
    if not len(data):
        raise DataError("The data are empty: the Dataset has no items.")
    item = data[0]
    if isinstance(item, Mapping):
        given = tuple(map(str, item))
        columns = DatasetColumns(data, given, "mapping")
        _check_names(dict.fromkeys(given), names)
        return Rows(columns, given)
    parts = item if isinstance(item, (tuple, list)) else (item,)
    if len(parts) > len(names):
        raise DataError(
            f"Items of the Dataset have {len(parts)} parts, and the program takes "
            f"{', '.join(map(repr, names)) or 'no data'}: let items be mappings by name."
        )
    form = "tuple" if isinstance(item, (tuple, list)) else "single"
    given = tuple(names[: len(parts)])
    return Rows(DatasetColumns(data, given, form), given)


def _check_names(given: Mapping[str, Any], names: Sequence[str]) -> None:
    if not given:
        raise DataError("The data are empty: there are no arrays in the mapping.")
    for name in given:
        if names and name not in names:
            close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            known = ", ".join(map(repr, names))
            raise DataError(f"The program has no data called {name!r}.{hint} It takes {known}.")


def _check_lengths(lengths: Mapping[str, int]) -> None:
    first = next(iter(lengths))
    if not lengths[first]:
        raise DataError(f"The data are empty: data[{first!r}] has no rows.")
    for name, length in lengths.items():
        if length != lengths[first]:
            raise DataError(
                f"data[{name!r}] has {length} rows and data[{first!r}] has {lengths[first]}: a "
                "case is one row of each."
            )
