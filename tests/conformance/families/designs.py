"""From posteriordb's `data.json` to a program's keyword arguments, in NumPy.

What `model.stan` does under "transformed data" (logs, interactions, centring, levels of a
factor) is done here. A design matrix is put together from columns: functions of the data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Data = dict[str, Any]
Column = Callable[[Data], np.ndarray]
Adapter = Callable[[Data], Data]


def arrays(raw: Data) -> Data:
    """Lists as arrays of floats; numbers as they are."""
    return {
        name: np.asarray(value, dtype=np.float64) if isinstance(value, list) else value
        for name, value in raw.items()
    }


def index(values: list[int]) -> np.ndarray:
    """Stan's indices, counted from zero."""
    return np.asarray(values, dtype=np.int64) - 1


def select(*names: str, **renamed: str) -> Adapter:
    """Data as they are: `names` under their own name, `ours="theirs"` under another."""

    def adapt(raw: Data) -> Data:
        data = arrays(raw)
        return {name: data[name] for name in names} | {
            ours: data[theirs] for ours, theirs in renamed.items()
        }

    return adapt


def design(response: Column, *columns: Column) -> Adapter:
    """Response `y` and design matrix `x` with a constant first, from functions of the data."""

    def adapt(raw: Data) -> Data:
        data = arrays(raw)
        y = response(data)
        parts = [np.ones_like(y), *(column(data) for column in columns)]
        return {"x": np.stack(parts, axis=1), "y": y}

    return adapt


def of(name: str) -> Column:
    return lambda data: data[name]


def log(*names: str) -> Column:
    """The logarithm of a product of columns."""
    return lambda data: np.log(np.prod([data[name] for name in names], axis=0))


def log_ratio(above: str, below: str) -> Column:
    return lambda data: np.log(data[above] / data[below])


def level(name: str, code: int) -> Column:
    """One where the column `name` has the value `code`, else zero."""
    return lambda data: (data[name] == code).astype(np.float64)


def less(name: str, reference: float | None = None) -> Column:
    """A column less its reference point (None: its mean)."""
    return lambda data: data[name] - (data[name].mean() if reference is None else reference)


def standardised(name: str, deviations: float) -> Column:
    """A column less its mean, over so many of its standard deviations."""
    return lambda data: less(name)(data) / (deviations * data[name].std(ddof=1))


def per(column: Column, unit: float) -> Column:
    """A column in larger units."""
    return lambda data: column(data) / unit


def times(*columns: Column) -> Column:
    return lambda data: np.prod([column(data) for column in columns], axis=0)
