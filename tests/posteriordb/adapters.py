"""From a posterior's `data.json` to its program's keyword arguments, in NumPy.

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


def _arrays(data: Data) -> Data:
    return {
        name: np.asarray(value, dtype=np.float64) if isinstance(value, list) else value
        for name, value in data.items()
    }


def keep(*names: str) -> Adapter:
    def adapt(data: Data) -> Data:
        arrays = _arrays(data)
        return {name: arrays[name] for name in names}

    return adapt


def design(response: Column, *columns: Column) -> Adapter:
    """Design matrix with a constant first, from functions of the data."""

    def adapt(data: Data) -> Data:
        arrays = _arrays(data)
        y = response(arrays)
        parts = [np.ones_like(y), *(column(arrays) for column in columns)]
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


def less(name: str, reference: float | None) -> Column:
    """A column less its reference point (None: its mean)."""
    return lambda data: data[name] - (data[name].mean() if reference is None else reference)


def times(*columns: Column) -> Column:
    return lambda data: np.prod([column(data) for column in columns], axis=0)


def lags(data: Data) -> Data:
    order, y = data["K"], np.asarray(data["y"], dtype=np.float64)
    past = [y[order - k : len(y) - k] for k in range(1, order + 1)]
    return {"past": np.stack(past, axis=1), "y": y[order:]}


def centred_design(data: Data) -> Data:
    x = np.asarray(data["X"], dtype=np.float64)[:, 1:]
    return {"x": x - x.mean(axis=0), "y": np.asarray(data["Y"], dtype=np.float64)}


def rename(**names: str) -> Adapter:
    def adapt(data: Data) -> Data:
        arrays = _arrays(data)
        return {ours: arrays[theirs] for ours, theirs in names.items()}

    return adapt


def interaction(hs: float | None, iq: float | None) -> Adapter:
    c_hs, c_iq = less("mom_hs", hs), less("mom_iq", iq)
    return design(of("kid_score"), c_hs, c_iq, times(c_hs, c_iq))
