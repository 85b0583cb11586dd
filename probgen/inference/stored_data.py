"""A program's data in a store: tensors as arrays, plain values as JSON; and comparing them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from probgen.errors import DataError

__all__ = ["check_same_data", "plain_data", "restored_data", "tensor_data"]

_PREFIX = "data:"


def tensor_data(data: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The tensors of a program's data, by the names they have in a store."""
    return {
        _PREFIX + name: value.numpy()
        for name, value in data.items()
        if isinstance(value, torch.Tensor)
    }


def plain_data(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Numbers and texts by name, and the names of what cannot be stored."""
    others = {n: v for n, v in data.items() if not isinstance(v, torch.Tensor)}
    plain = {n: v for n, v in others.items() if isinstance(v, _PLAIN)}
    return plain, [name for name in others if name not in plain]


_PLAIN = (bool, int, float, str, type(None))


def restored_data(
    arrays: Mapping[str, np.ndarray], plain: Mapping[str, Any], missing: list[str]
) -> dict[str, Any]:
    """The data of an earlier run; raises `DataError` when some could not be stored."""
    if missing:
        raise DataError(
            f"data[{missing[0]!r}] of the run is neither numbers nor text and was not stored. "
            "Pass all data again: resume(path, data=...)."
        )
    tensors = {
        name.removeprefix(_PREFIX): torch.from_numpy(value)
        for name, value in arrays.items()
        if name.startswith(_PREFIX)
    }
    return {**tensors, **plain}


def check_same_data(
    given: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    plain: Mapping[str, Any],
    missing: list[str],
) -> None:
    """Raise `DataError` naming what differs between data given now and those of the store."""
    stored = {n.removeprefix(_PREFIX): v for n, v in arrays.items() if n.startswith(_PREFIX)}
    names = {*stored, *plain, *missing}
    for name in sorted(names ^ set(given)):
        there = "the store lacks it" if name in given else "the run was made with it"
        raise DataError(f"data[{name!r}]: {there}. Go on with the data of the run.")
    for name, value in given.items():
        if name in missing:
            continue
        difference = _difference(value, stored[name] if name in stored else plain[name])
        if difference:
            raise DataError(
                f"data[{name!r}] differs from the data of the store: {difference}. Go on with "
                "the data of the run, or start a new one."
            )


def _difference(given: Any, stored: Any) -> str:
    """How two values differ, or nothing."""
    if isinstance(given, torch.Tensor) != isinstance(stored, np.ndarray):
        return f"{type(given).__name__} now, {type(stored).__name__} then"
    if not isinstance(given, torch.Tensor):
        same = type(given) is type(stored) and (given == stored or given != given != stored)
        return "" if same else f"{given!r} now, {stored!r} then"
    now = given.numpy()
    if now.shape != stored.shape or now.dtype != stored.dtype:
        return f"{now.dtype} of shape {now.shape} now, {stored.dtype} of {stored.shape} then"
    unlike = ~((now == stored) | ((now != now) & (stored != stored)))
    if not unlike.any():
        return ""
    first = tuple(int(i) for i in np.argwhere(unlike)[0])
    place = f" at {list(first)}" if first else ""
    return f"{unlike.sum()} of {now.size} values,{place} {now[first]} now and {stored[first]} then"
