"""The probabilities of a BIF file: statements of one `probability` block to a table."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping

import numpy as np

from probgen.declare.networks.bif_text import BifText
from probgen.errors import DataError

__all__ = ["BifTables"]

_STATEMENT = re.compile(r"\s*(?:\(([^()]*)\)|(table|default)\b)([^()]*)")


class BifTables:
    """Reads tables over declared variables.

    `states` gives the states of each variable of the file, in order.
    """

    def __init__(self, text: BifText, states: Mapping[str, tuple[str, ...]]) -> None:
        self.text = text
        self.states = states
        self.places = {
            name: {state: k for k, state in enumerate(names)} for name, names in states.items()
        }

    def read(self, scope: tuple[str, ...], start: int, end: int) -> np.ndarray:
        """The table, child first, of the statements between two places of the text."""
        shape = [len(self.states[name]) for name in scope]
        rows: dict[int, list[float]] = {}
        default = None
        after = start
        for statement in self.text.clean[start:end].split(";"):
            at, after = after, after + len(statement) + 1
            found = _STATEMENT.fullmatch(statement)
            if found is None:
                if statement.strip() and not statement.lstrip().startswith("property"):
                    raise self._misread(scope, statement, at)
                continue
            given, keyword, numbers = found.groups()
            if keyword == "table":
                values = self._numbers(numbers, math.prod(shape), scope, at)
                return np.array(values).reshape(shape)
            values = self._numbers(numbers, shape[0], scope, at)
            if keyword == "default":
                default = values
                continue
            column = self._column(given, scope, at)
            if column in rows:
                raise self._error(f"the row ({given.strip()}) is given twice.", at)
            rows[column] = values
        self._check_complete(rows, default, scope, start)
        table = np.empty((math.prod(shape[1:]), shape[0]))
        if default is not None:
            table[:] = default
        table[list(rows)] = np.array(list(rows.values())).reshape(-1, shape[0])
        return np.ascontiguousarray(table.T).reshape(shape)

    def _column(self, given: str, scope: tuple[str, ...], at: int) -> int:
        """Which configuration of the parents a row is for, the last parent fastest."""
        parents = scope[1:]
        names = [name.strip() for name in given.split(",")] if given.strip() else []
        if len(names) != len(parents):
            names = given.split()
        if len(names) != len(parents):
            raise self._error(
                f"the row ({given.strip()}) gives {len(names)} states for the {len(parents)} "
                f"parents of {scope[0]!r}.",
                at,
            )
        column = 0
        for name, parent in zip(names, parents, strict=True):
            places = self.places[parent]
            place = places.get(name)
            column = column * len(places) + (
                self._state(self.text.restore(name), parent, at) if place is None else place
            )
        return column

    def _state(self, name: str, parent: str, at: int) -> int:
        if name in self.places[parent]:
            return self.places[parent][name]
        near = difflib.get_close_matches(name, self.states[parent], 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise self._error(
            f"{name!r} is no state of {parent!r}, whose states are "
            f"{', '.join(self.states[parent])}.{hint}",
            at,
        )

    def _numbers(self, text: str, n: int, scope: tuple[str, ...], at: int) -> list[float]:
        tokens = text.replace(",", " ").split()
        values = []
        for token in tokens:
            try:
                values.append(float(token))
            except ValueError:
                raise self._error(f"expected a number, found {token!r}.", at) from None
        if len(values) != n:
            raise self._error(
                f"expected {n} probabilities for {scope[0]!r}, found {len(values)}.", at
            )
        return values

    def _check_complete(
        self,
        rows: Mapping[int, list[float]],
        default: list[float] | None,
        scope: tuple[str, ...],
        start: int,
    ) -> None:
        cards = [len(self.states[name]) for name in scope[1:]]
        columns = math.prod(cards)
        if len(rows) == columns or default is not None:
            return
        lacking = next(column for column in range(columns) if column not in rows)
        index = np.unravel_index(lacking, cards) if cards else ()
        told = ", ".join(self.states[name][k] for name, k in zip(scope[1:], index, strict=True))
        what = f"no row for ({told})" if told else "no table"
        raise self._error(f"the probabilities of {scope[0]!r} have {what}.", start)

    def _misread(self, scope: tuple[str, ...], statement: str, at: int) -> DataError:
        shown = self.text.restore(statement.strip().split("\n")[0][:60])
        return self._error(
            f"in the probabilities of {scope[0]!r}, expected `(states) numbers;`, "
            f"`table numbers;` or `default numbers;`, found `{shown}`.",
            at,
        )

    def _error(self, message: str, at: int) -> DataError:
        return self.text.error(message, self.text.skip_space(at))
