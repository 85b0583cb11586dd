"""The columns of a table of mixed types, to tensors and back."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from probgen.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ColumnType", "TableSchema"]

_KINDS = ("continuous", "integer", "categorical")
_FEW = 10  # different integers up to which a column is taken to be categorical


@dataclass(frozen=True)
class ColumnType:
    """One column: its name and kind, its states, or the bounds of its integers."""

    name: Hashable
    kind: str
    states: tuple[Any, ...] = ()
    low: int = 0
    high: int = 0


@dataclass(frozen=True)
class TableSchema:
    """The columns of a table, in order."""

    columns: tuple[ColumnType, ...]

    @classmethod
    def of(cls, table: pd.DataFrame, kinds: Mapping[Hashable, str] | None = None) -> TableSchema:
        """Read the columns of a data frame.

        A column is "continuous", "integer" or "categorical", as `kinds` say, else: fractions are
        continuous; integers with more than 10 different values are integers; all others are
        categorical. Raises `DataError` naming the column.
        """
        kinds = dict(kinds or {})
        for name, kind in kinds.items():
            if name not in table or kind not in _KINDS:
                raise DataError(
                    f"kinds={{{name!r}: {kind!r}}}: columns are {list(table.columns)}, and kinds "
                    f"{', '.join(_KINDS)}."
                )
        return cls(tuple(_read(name, table[name], kinds.get(name)) for name in table.columns))

    @property
    def numeric(self) -> list[ColumnType]:
        """Continuous and integer columns."""
        return [column for column in self.columns if column.kind != "categorical"]

    @property
    def categorical(self) -> list[ColumnType]:
        """Categorical columns."""
        return [column for column in self.columns if column.kind == "categorical"]

    def encode(self, table: pd.DataFrame) -> dict[str, Tensor]:
        """Numbers "x", (row, numeric), and codes "k", (row, categorical); NaN and -1 missing.

        Raises `DataError` for a missing column and an unknown state.
        """
        for column in self.columns:
            if column.name not in table:
                raise DataError(f"The table has no column {column.name!r}.")
        found: dict[str, Tensor] = {}
        if self.numeric:
            numbers = [table[c.name].to_numpy(dtype=float, na_value=np.nan) for c in self.numeric]
            found["x"] = torch.tensor(np.stack(numbers, -1), dtype=torch.float32)
        if self.categorical:
            codes = [_codes(column, table[column.name]) for column in self.categorical]
            found["k"] = torch.tensor(np.stack(codes, -1), dtype=torch.long)
        return found

    def decode(self, data: Mapping[str, Tensor]) -> pd.DataFrame:
        """Numbers and codes as a data frame: integers within the bounds seen, states by name."""
        import pandas as pd

        made: dict[Hashable, Any] = {}
        for place, column in enumerate(self.numeric):
            values = data["x"][:, place].double().cpu().numpy()
            if column.kind == "integer":
                values = np.clip(np.floor(values), column.low, column.high).astype(np.int64)
            made[column.name] = values
        for place, column in enumerate(self.categorical):
            states = pd.Index(column.states)
            made[column.name] = states.take(data["k"][:, place].cpu().numpy())
        return pd.DataFrame({column.name: made[column.name] for column in self.columns})


def _read(name: Hashable, values: pd.Series, kind: str | None) -> ColumnType:
    import pandas as pd

    known = values.dropna()
    if not len(known):
        raise DataError(f"The column {name!r} is empty: leave it out.")
    number = pd.api.types.is_numeric_dtype(known) and not pd.api.types.is_bool_dtype(known)
    if kind is None:
        kind = "categorical"
        if number:
            whole = bool((known == known.round()).all())
            few = known.nunique() <= _FEW
            kind = "continuous" if not whole else ("categorical" if few else "integer")
    if kind == "categorical":
        states = tuple(
            sorted(known.unique().tolist(), key=lambda state: (str(type(state)), state))
        )
        if len(states) < 2:
            raise DataError(f"The column {name!r} is {states[0]!r} in every row: leave it out.")
        return ColumnType(name, kind, states)
    if not number:
        raise DataError(f"The column {name!r} holds {known.dtype} values: it is categorical.")
    if kind == "integer":
        return ColumnType(name, kind, (), int(known.min()), int(known.max()))
    return ColumnType(name, kind)


def _codes(column: ColumnType, values: pd.Series) -> np.ndarray:
    import pandas as pd

    codes = pd.Index(column.states).get_indexer(pd.Index(values.astype(object)))
    unknown = (codes < 0) & values.notna().to_numpy()
    if unknown.any():
        row = int(np.flatnonzero(unknown)[0])
        raise DataError(
            f"Row {row} of the column {column.name!r} is {values.iloc[row]!r}, which is none of "
            f"its states: {', '.join(map(repr, column.states[:20]))}."
        )
    return codes
