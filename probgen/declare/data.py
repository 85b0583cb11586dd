"""User data to what a Pyro program takes: tensors in float64, integers and scalars as they are.

`data` is one mapping from argument names of the program to arrays, tensors, lists, pandas or
xarray objects; or a data frame, whose columns are taken. Numbers stay Python numbers, since they
often are sizes of plates.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import numbers
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch

from probgen.errors import DataError

__all__ = [
    "as_mapping",
    "as_tensors",
    "check_names",
    "innermost",
    "name_errors",
    "name_of",
    "not_a_mapping",
]

_SHARED = 1 << 18  # elements from which on an array is used in place


def as_tensors(data: Mapping[str, Any] | None) -> dict[str, Any]:
    """Every array-like value of `data` as a tensor: floats in float64, integers in int64.

    Small arrays are copied. Those of a quarter million elements or more that already have that
    type are read where they are: leave them alone until the inference is done.

    Raises `DataError` naming the variable when a value holds text or ragged lists.
    """
    if data is None:
        return {}
    data = as_mapping(data)
    if not isinstance(data, Mapping):
        raise DataError(not_a_mapping(data))
    return {str(name): _as_tensor(str(name), value) for name, value in data.items()}


def as_mapping(data: Any) -> Any:
    """A data frame as a mapping of its columns; anything else as it is."""
    columns = getattr(data, "columns", None)
    if isinstance(data, Mapping) or columns is None or not hasattr(data, "iloc"):
        return data
    return {name: data[name] for name in columns}


def not_a_mapping(data: Any) -> str:
    """The text of the error for data that are no mapping."""
    return (
        "data must be a mapping of the program's argument names to values, "
        f"not {type(data).__name__}: for instance data={{'y': y}}."
    )


def _as_tensor(name: str, value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        tensor = value.detach().cpu()
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
    if array.dtype.kind == "O":
        array = _plain_numbers(array)
    if array.dtype.kind == "f":
        return _as_type(array, np.float64)
    if array.dtype.kind in "iu":
        return _as_type(array, np.int64)
    if array.dtype.kind == "b":
        return _as_type(array, np.bool_)
    raise DataError(
        f"data[{name!r}] holds {array.dtype} values; the program needs numbers. "
        "Code categories as integers, for instance with pandas.factorize."
    )


def _as_type(array: np.ndarray, dtype: type) -> torch.Tensor:
    fits = array.flags.aligned and array.flags.forc
    if array.size < _SHARED or array.dtype != dtype or not fits:
        return torch.from_numpy(np.array(array, dtype=dtype))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of memory that is read-only: nobody writes to it
        return torch.from_numpy(array)


def _plain_numbers(array: np.ndarray) -> np.ndarray:
    """An array of Python numbers, with None or pandas.NA where missing, as floats or integers."""
    missing = [x is None or type(x).__name__ == "NAType" for x in array.ravel()]
    values = [x for x, gone in zip(array.ravel(), missing, strict=True) if not gone]
    if not values or not all(isinstance(x, numbers.Real) for x in values):
        return array
    if not any(missing) and all(isinstance(x, numbers.Integral) for x in values):
        return array.astype(np.int64)
    filled = [np.nan if gone else x for x, gone in zip(array.ravel(), missing, strict=True)]
    return np.array(filled, dtype=np.float64).reshape(array.shape)


def name_of(model: Callable[..., Any]) -> str:
    """The name of a program, under the partials and handlers around it."""
    inner = innermost(model)
    return getattr(inner, "__name__", type(inner).__name__)


def check_names(model: Callable[..., Any], data: Mapping[str, Any]) -> None:
    """Raise `DataError` for names the program does not take and for arguments left out."""
    texts = name_errors(model, data)
    if texts:
        raise DataError("\n".join(" ".join(text) for _, *text in texts))


def name_errors(model: Callable[..., Any], names: Iterable[str]) -> list[tuple[str, str, str]]:
    """What is wrong with the names of the data: (name, message, cure) each."""
    given, program = list(names), name_of(model)
    parameters = _parameters(model)
    kinds = [p.kind for p in parameters]
    takes = [p.name for p in parameters if p.kind in _BY_NAME]
    errors = []
    if parameters is not _ANYTHING and inspect.Parameter.VAR_KEYWORD not in kinds:
        for name in (name for name in given if name not in takes):
            close = difflib.get_close_matches(name, takes, n=1, cutoff=0.6)
            hint = f"Did you mean {close[0]!r}? " if close else ""
            arguments = ", ".join(map(repr, takes)) or "none"
            message = f"The program {program!r} takes no argument named {name!r}."
            errors.append((name, message, f"{hint}Its arguments: {arguments}."))
    for parameter in parameters:
        name, needed = parameter.name, parameter.default is inspect.Parameter.empty
        if needed and parameter.kind in _BY_NAME and name not in given:
            message = f"The program {program!r} needs {name!r}, which data lacks."
            cure = f"Pass data={{{name!r}: ...}}, or give the argument a default value."
            errors.append((name, message, cure))
        elif needed and parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
            message = f"The program {program!r} takes {name!r} by position only."
            cure = "Data are passed by name: remove the `/` from the program's arguments."
            errors.append((name, message, cure))
    return errors


_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_ANYTHING: list[inspect.Parameter] = []


def _parameters(model: Any) -> list[inspect.Parameter]:
    """The parameters of a program; `_ANYTHING` for a callable without a signature."""
    try:
        return list(inspect.signature(_with_signature(model)).parameters.values())
    except (TypeError, ValueError):
        return _ANYTHING


def _with_signature(model: Any) -> Any:
    """The callable whose signature says what a program takes."""
    if isinstance(model, torch.nn.Module):
        return model.forward
    if _is_handler(model):
        return _with_signature(model.fn)
    if inspect.ismethod(model):  # whose first argument is given already
        return model
    if hasattr(model, "__wrapped__") and not hasattr(model, "__signature__"):
        return _with_signature(model.__wrapped__)
    return model


def innermost(model: Any) -> Any:
    """What the user wrote: a function, a bound method, or an object that can be called."""
    while True:
        if hasattr(model, "__wrapped__"):
            model = model.__wrapped__
        elif _is_handler(model):
            model = model.fn
        elif isinstance(model, functools.partial):
            model = model.func
        else:
            return model


def _is_handler(model: Any) -> bool:
    """Whether a callable is one of Pyro's handlers around a program."""
    return hasattr(model, "msngr") and callable(getattr(model, "fn", None))
