"""Reading tabular data: data frames, mappings, records, arrays and datasets to a `Table`.

None, NaN, NaT and pandas.NA are missing values; nothing else is. States are matched by name;
1.0 matches the state 1 (a column of integers with holes is read as floats), and a value whose
text is the name of a state matches it.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from probgen.errors import DataError
from probgen.learn.table import Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_table"]

_MOST_INFERRED = 50  # states of a column of fractions before it is taken to be continuous


def read_table(
    data: Any,
    names: Sequence[Hashable] | None = None,
    states: Mapping[Hashable, Sequence[Hashable]] | None = None,
    latents: Collection[Hashable] = (),
) -> Table:
    """The states of the variables `names` (all columns when None) in `data`, as codes.

    `data` is a pandas DataFrame, a mapping of columns, a list of mappings (an absent key is
    missing), an array with two axes or a pair (array, names of its columns), an xarray Dataset
    of columns or a DataArray (row, variable). `states` fixes the states of variables: one that
    never occurs stays, and a value that is none of them is an error. Variables without given
    states take the values that occur, sorted (a pandas categorical: its categories). `latents`
    are variables that need no column.

    Raises `DataError` naming the column, the row (counted from 0) and the nearest names.
    """
    columns = _columns(data, names)
    if not columns:
        raise DataError("The data have no columns.")
    rows = len(next(iter(columns.values())))
    if rows == 0:
        raise DataError("The data are empty: no rows.")
    if names is None:
        names = list(columns)
    unused = [repr(name) for name in columns if name not in set(names)]
    notes = (f"Columns that the network does not have were not used: {', '.join(unused)}.",)
    codes = np.full((rows, len(names)), -1, dtype=np.int32, order="F")
    found: list[tuple[Hashable, ...]] = []
    for v, name in enumerate(names):
        given = (states or {}).get(name)
        if name not in columns:
            _check_latent(name, given, latents, columns)
            found.append(tuple(given or ()))
            continue
        codes[:, v], known = _encode(name, columns[name], given)
        found.append(known)
    weights = np.ones(rows)
    return Table(tuple(names), tuple(found), codes, weights, notes if unused else ())


def _check_latent(
    name: Hashable,
    given: Sequence[Hashable] | None,
    latents: Collection[Hashable],
    columns: Mapping[Hashable, Any],
) -> None:
    if name not in latents:
        raise DataError(
            f"The data have no column for the variable {name!r}.{_nearest(name, columns)} "
            "If it is never observed, declare it latent and learn with EM()."
        )
    if not given:
        raise DataError(
            f"The latent variable {name!r} has no states: give their number or names, as in "
            f"EM(latent_states={{{name!r}: 3}})."
        )


# Columns


def _columns(data: Any, names: Sequence[Hashable] | None) -> dict[Hashable, pd.Series]:
    import pandas as pd
    import xarray as xr

    if isinstance(data, tuple) and len(data) == 2 and np.ndim(data[0]) == 2:
        return _from_array(np.asarray(data[0]), list(data[1]))
    if isinstance(data, xr.DataArray):
        if data.ndim != 2 or data.dims[1] not in data.coords:
            raise DataError(
                f"A DataArray of data needs two dimensions, (row, variable), with the names of "
                f"the variables as coordinate of the second; this one has {data.dims}."
            )
        return _from_array(data.values, data.coords[data.dims[1]].values.tolist())
    if isinstance(data, np.ndarray):
        if names is None:
            raise DataError("An array has no names of columns: give the pair (array, names).")
        return _from_array(data, list(names))
    if isinstance(data, (str, bytes)):
        raise DataError(f"data={data!r} is text: read the file first, as with pandas.read_csv.")
    if isinstance(data, pd.DataFrame):
        twice = data.columns[data.columns.duplicated()]
        if len(twice):
            raise DataError(f"The data have the column {twice[0]!r} twice.")
        return {name: data[name] for name in data.columns}
    if isinstance(data, xr.Dataset):
        data = {name: data[name].values for name in data.data_vars}
    if isinstance(data, Mapping):
        return _from_mapping(data)
    if isinstance(data, Sequence) and all(isinstance(row, Mapping) for row in data):
        keys = dict.fromkeys(key for row in data for key in row)
        return {key: pd.Series([row.get(key) for row in data], dtype=object) for key in keys}
    raise DataError(
        f"Data of type {type(data).__name__} cannot be read as a table: give a DataFrame, a "
        "mapping of columns, a list of mappings, or a pair (array, names)."
    )


def _from_array(array: np.ndarray, names: list[Hashable]) -> dict[Hashable, pd.Series]:
    import pandas as pd

    if array.ndim != 2 or array.shape[1] != len(names):
        raise DataError(
            f"An array of shape {array.shape} does not fit {len(names)} names of columns."
        )
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"The data have the column {twice!r} twice.")
    return {name: pd.Series(array[:, k]) for k, name in enumerate(names)}


def _from_mapping(data: Mapping[Hashable, Any]) -> dict[Hashable, pd.Series]:
    import pandas as pd

    columns = {}
    for name, values in data.items():
        column = values if isinstance(values, pd.Series) else _series(name, values)
        columns[name] = column
        first = next(iter(columns))
        if len(column) != len(columns[first]):
            raise DataError(
                f"The column {name!r} has {len(column)} rows, {first!r} has {len(columns[first])}."
            )
    return columns


def _series(name: Hashable, values: Any) -> pd.Series:
    import pandas as pd

    if isinstance(values, pd.Categorical):
        return pd.Series(values)
    if isinstance(values, np.ndarray) or hasattr(values, "__array__"):
        array = np.asarray(values)
        if array.ndim == 1:
            return pd.Series(array)
    elif isinstance(values, Sequence) and not isinstance(values, (str, bytes)):
        return pd.Series(list(values), dtype=object)
    raise DataError(f"The column {name!r} is not a list of values: {values!r}.")


# Codes


def _encode(
    name: Hashable, column: pd.Series, given: Sequence[Hashable] | None
) -> tuple[np.ndarray, tuple[Hashable, ...]]:
    """Codes of a column and the names of its states."""
    import pandas as pd

    try:
        codes, values = pd.factorize(column)
    except TypeError as error:
        raise DataError(f"The column {name!r} holds values that cannot be states: {error}.") from (
            error
        )
    occurring = np.asarray(values, dtype=object).tolist()
    if given is None:
        categories = column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else ()
        known = tuple(categories) or _sorted(name, occurring)
        _check_discrete(name, known)
    else:
        known = tuple(given)
    places = np.array([_place(name, v, k, codes, known) for k, v in enumerate(occurring)] + [-1])
    return places[codes].astype(np.int32), known


def _sorted(name: Hashable, values: list[Any]) -> tuple[Hashable, ...]:
    if not values:
        raise DataError(
            f"The column {name!r} is empty, so its states are not known: declare them in the "
            "network, or drop the column."
        )
    if all(isinstance(value, float) and value.is_integer() for value in values):
        values = [int(value) for value in values]
    try:
        return tuple(sorted(values))
    except TypeError:
        return tuple(sorted(values, key=str))


def _check_discrete(name: Hashable, states: tuple[Hashable, ...]) -> None:
    fractions = [s for s in states if isinstance(s, float) and not s.is_integer()]
    if fractions and len(states) > _MOST_INFERRED:
        raise DataError(
            f"The column {name!r} has {len(states)} different values such as {fractions[0]!r}; it "
            "looks continuous. Cut it into intervals first, as with pandas.cut."
        )


def _place(
    name: Hashable, value: Any, number: int, codes: np.ndarray, known: tuple[Hashable, ...]
) -> int:
    """Position of a value among the states."""
    if value in known:
        return known.index(value)
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    alike = [place for place, state in enumerate(known) if str(state) == text]
    if len(alike) == 1:
        return alike[0]
    row = int(np.flatnonzero(codes == number)[0])
    raise DataError(
        f"Row {row} of the column {name!r} holds {value!r}, which is none of its states: "
        f"{', '.join(map(repr, known[:20]))}.{_nearest(value, known)}"
    )


def _nearest(name: Any, known: Collection[Any]) -> str:
    by_text = {str(other).lower(): other for other in known}
    near = difflib.get_close_matches(str(name).lower(), list(by_text), 3)
    return f" Did you mean {' or '.join(repr(by_text[text]) for text in near)}?" if near else ""
