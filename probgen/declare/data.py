"""User data to what a Pyro program takes: tensors in float64, integers and scalars as they are.

`data` is one mapping from argument names of the program to arrays, tensors, lists, pandas or
xarray objects. Numbers stay Python numbers, since they often are sizes of plates.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from probgen.errors import DataError

__all__ = ["as_tensors", "check_names"]


def as_tensors(data: Mapping[str, Any] | None) -> dict[str, Any]:
    """Every array-like value of `data` as a tensor: floats in float64, integers in int64.

    Raises `DataError` naming the variable when a value holds text or ragged lists.
    """
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        raise DataError(
            f"data must be a mapping of the program's argument names to values, "
            f"not {type(data).__name__}: for instance data={{'y': y}}."
        )
    return {str(name): _as_tensor(str(name), value) for name, value in data.items()}


def _as_tensor(name: str, value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        tensor = value.detach()
        return tensor.double() if tensor.is_floating_point() else tensor
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)) or hasattr(value, "__array__"):
        return _array_to_tensor(name, value)
    return value


def _array_to_tensor(name: str, value: Any) -> torch.Tensor:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise DataError(
            f"data[{name!r}] is ragged: its rows differ in length. Pad it or pass a flat array "
            "with an index array beside it."
        ) from error
    if array.dtype.kind == "f":
        return torch.from_numpy(np.array(array, dtype=np.float64))
    if array.dtype.kind in "iu":
        return torch.from_numpy(np.array(array, dtype=np.int64))
    if array.dtype.kind == "b":
        return torch.from_numpy(np.array(array))
    raise DataError(
        f"data[{name!r}] holds {array.dtype} values; the program needs numbers. "
        "Code categories as integers, for instance with pandas.factorize."
    )


def check_names(model: Callable[..., Any], data: Mapping[str, Any]) -> None:
    """Raise `DataError` for names the program does not take and for arguments left out."""
    try:
        signature = inspect.signature(model)
    except (TypeError, ValueError):
        return
    parameters = signature.parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL)
    named = [p for p in parameters if p.kind not in (*positional, inspect.Parameter.VAR_KEYWORD)]
    takes = [p.name for p in named]
    label = getattr(model, "__name__", type(model).__name__)
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        unknown = [name for name in data if name not in takes]
        if unknown:
            raise DataError(
                f"The program {label!r} takes no argument named {', '.join(map(repr, unknown))}; "
                f"it takes {', '.join(map(repr, takes)) or 'none'}."
            )
    missing = [p.name for p in named if p.default is inspect.Parameter.empty]
    missing = [name for name in missing if name not in data]
    if missing:
        raise DataError(
            f"The program {label!r} needs {', '.join(map(repr, missing))}, which data lacks: "
            f"pass data={{{missing[0]!r}: ...}}."
        )
