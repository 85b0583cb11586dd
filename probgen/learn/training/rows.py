"""Rows of arrays by number, read when they are needed.

A column is one argument of the program for every case: an array in memory, a memory-mapped or
lazily opened one, or one item of a torch Dataset. Nothing is copied but the rows asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from probgen.errors import DataError

__all__ = ["ArrayColumn", "Column", "DatasetColumns", "Rows", "Subset", "TensorColumn"]


class Column(Protocol):
    """The values of one argument, one per row."""

    lazy: bool
    """Whether taking rows is more than reading memory."""

    def __len__(self) -> int:
        """Number of rows."""

    def take(self, rows: Tensor) -> Tensor:
        """The rows of these numbers (int64), on the CPU, in the type they have."""


class TensorColumn:
    """A tensor, or an array that shares its memory with one."""

    lazy = False

    def __init__(self, values: Tensor) -> None:
        self.values = values.detach()

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Tensor) -> Tensor:
        """The rows, where the tensor is."""
        return self.values.index_select(0, rows.to(self.values.device))


class ArrayColumn:
    """Anything that gives an array of rows for an array of their numbers: memmap, xarray, zarr."""

    lazy = True

    def __init__(self, name: str, length: int, read: Callable[[np.ndarray], Any]) -> None:
        self._name, self._length, self._read = name, length, read

    def __len__(self) -> int:
        return self._length

    def take(self, rows: Tensor) -> Tensor:
        """The rows; read in rising order, as files like it."""
        order = torch.argsort(rows)
        numbers = rows[order].numpy()
        values = to_tensor(self._name, np.asarray(self._read(numbers)))
        result = torch.empty_like(values)
        result[order] = values
        return result


class DatasetColumns:
    """Several columns of one torch Dataset, whose items are read once per row."""

    lazy = True

    def __init__(self, dataset: Any, names: tuple[str, ...], form: str) -> None:
        self._dataset, self._names, self._form = dataset, names, form

    def __len__(self) -> int:
        return len(self._dataset)

    def take(self, rows: Tensor) -> dict[str, Tensor]:
        """The rows of all columns."""
        items = [self._item(row) for row in rows.tolist()]
        return {name: self._stacked(name, [item[name] for item in items]) for name in self._names}

    def _item(self, row: int) -> Mapping[str, Any]:
        item = self._dataset[row]
        if self._form == "mapping":
            return item
        parts = item if self._form == "tuple" else (item,)
        return dict(zip(self._names, parts, strict=False))

    def _stacked(self, name: str, values: list[Any]) -> Tensor:
        tensors = [to_tensor(name, value) for value in values]
        try:
            return torch.stack(tensors)
        except RuntimeError as error:
            shapes = sorted({tuple(t.shape) for t in tensors})
            raise DataError(
                f"data[{name!r}]: the items of the Dataset differ in shape ({shapes[:3]}); give "
                "them one, by cropping or padding."
            ) from error


class Rows:
    """The data of a training: columns of one length, in the types that the program takes."""

    def __init__(self, columns: Mapping[str, Column] | DatasetColumns, names: tuple[str, ...]):
        self.names = names
        self.lazy = (
            columns.lazy
            if isinstance(columns, DatasetColumns)
            else any(column.lazy for column in columns.values())
        )
        self.types: dict[str, torch.dtype] = {}
        self._columns = columns

    def __len__(self) -> int:
        if isinstance(self._columns, DatasetColumns):
            return len(self._columns)
        return len(next(iter(self._columns.values())))

    def raw(self, rows: Tensor) -> dict[str, Tensor]:
        """The rows as they are stored."""
        if isinstance(self._columns, DatasetColumns):
            return self._columns.take(rows)
        return {name: column.take(rows) for name, column in self._columns.items()}

    def take(self, rows: Tensor) -> dict[str, Tensor]:
        """The rows in the types that the program takes (`types`)."""
        return self.typed(self.raw(rows))

    def typed(self, raw: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Stored rows in the types that the program takes."""
        return {name: value.to(self.types.get(name, value.dtype)) for name, value in raw.items()}


class Subset(Rows):
    """Some of the rows of others, by their numbers there."""

    def __init__(self, whole: Rows, numbers: Tensor) -> None:
        self._whole, self.numbers = whole, numbers
        self.names, self.types, self.lazy = whole.names, whole.types, whole.lazy

    def __len__(self) -> int:
        return len(self.numbers)

    def raw(self, rows: Tensor) -> dict[str, Tensor]:
        """The rows as they are stored."""
        return self._whole.raw(self.numbers[rows])


def to_tensor(name: str, value: Any) -> Tensor:
    """Numbers as a tensor that shares their memory; raises `DataError` for anything else."""
    if isinstance(value, Tensor):
        return value.detach()
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise DataError(f"data[{name!r}] is ragged: its rows differ in length. Pad it.") from error
    if array.dtype.kind == "O":
        array = _plain(array)
    if array.dtype.kind not in "fiub":
        raise DataError(
            f"data[{name!r}] holds {array.dtype} values; the program needs numbers. Code "
            "categories as integers, for instance with pandas.factorize."
        )
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = array.astype(np.int64)
    if not array.dtype.isnative or array.dtype.itemsize > 8:
        array = array.astype(np.float64 if array.dtype.kind == "f" else np.int64)
    if any(stride < 0 for stride in array.strides) or not array.flags.writeable:
        return _view(array)
    return torch.from_numpy(array)


def _view(array: np.ndarray) -> Tensor:
    import warnings

    if any(stride < 0 for stride in array.strides):
        array = array.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of memory that is read-only: nobody writes to it
        return torch.from_numpy(array)


def _plain(array: np.ndarray) -> np.ndarray:
    """Python numbers, with None or pandas.NA where missing, as floats; else as they are."""
    missing = [x is None or type(x).__name__ == "NAType" for x in array.ravel()]
    values = [np.nan if gone else x for x, gone in zip(array.ravel(), missing, strict=True)]
    try:
        return np.array(values, dtype=np.float64).reshape(array.shape)
    except (TypeError, ValueError):
        return array
