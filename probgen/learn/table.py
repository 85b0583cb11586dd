"""Tabular data of discrete variables as integer codes, with holes.

Every learner of networks sees this one form. `columns.py` reads data frames, mappings, records
and arrays into it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from probgen.errors import TooLargeError

__all__ = ["MOST_CELLS", "Table", "check_cells"]

MOST_CELLS = 1 << 26  # of one table: half a gigabyte of float64
_RADIX_LIMIT = 1 << 62


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of states of discrete variables.

    Attributes
    ----------
    names: the variables, in order.
    states: names of the states of each variable.
    codes: position of the state, int32 (row, variable); -1 where it is missing.
    weights: how often each row occurs, float64 (row,).
    notes: what reading left out, sentences for the user.

    """

    names: tuple[Hashable, ...]
    states: tuple[tuple[Hashable, ...], ...]
    codes: np.ndarray
    weights: np.ndarray
    notes: tuple[str, ...] = ()

    @cached_property
    def cards(self) -> np.ndarray:
        """Number of states of each variable, int64."""
        return np.array([len(states) for states in self.states], dtype=np.int64)

    @cached_property
    def size(self) -> float:
        """Number of rows, repeated ones counted."""
        return float(self.weights.sum())

    @cached_property
    def holes(self) -> np.ndarray:
        """Number of missing values of each variable, float64."""
        return self.weights @ (self.codes < 0)

    @cached_property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return bool((self.codes >= 0).all())

    def select(self, rows: np.ndarray) -> Table:
        """The table of some of the rows (a mask or positions)."""
        return Table(self.names, self.states, self.codes[rows], self.weights[rows], self.notes)

    def distinct(self) -> Table:
        """The same data with equal rows united and their weights added."""
        keys = self._keys()
        if keys is None:
            _, first, inverse = np.unique(
                self.codes, axis=0, return_index=True, return_inverse=True
            )
        else:
            _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        weights = np.bincount(inverse.ravel(), self.weights, minlength=len(first))
        return Table(self.names, self.states, self.codes[first], weights, self.notes)

    def _keys(self) -> np.ndarray | None:
        """One number per row, different for different rows; None when int64 is too short."""
        if math.prod(int(card) + 1 for card in self.cards) >= _RADIX_LIMIT:
            return None
        keys = np.zeros(len(self.codes), dtype=np.int64)
        for v, card in enumerate(self.cards):
            keys *= card + 1
            keys += self.codes[:, v] + 1
        return keys

    def counts(self, scope: Sequence[int]) -> np.ndarray:
        """How often each joint state of the variables `scope` occurs, float64, axes as `scope`.

        Nothing may be missing in these columns. Raises `TooLargeError` for tables of more than
        `MOST_CELLS` cells.
        """
        cards = [int(self.cards[v]) for v in scope]
        check_cells(self.names, self.cards, scope)
        index = np.zeros(len(self.codes), dtype=np.int64)
        for v, card in zip(scope, cards, strict=True):
            index *= card
            index += self.codes[:, v]
        return np.bincount(index, self.weights, math.prod(cards)).reshape(cards)


def check_cells(
    names: Sequence[Hashable], cards: np.ndarray, scope: Sequence[int], child: int | None = None
) -> None:
    """Refuse a table with more than `MOST_CELLS` cells (`TooLargeError`, naming the variable)."""
    cells = math.prod(int(cards[v]) for v in scope)
    if cells <= MOST_CELLS:
        return
    over = ", ".join(repr(names[v]) for v in scope)
    of = f"of {names[child]!r} " if child is not None else ""
    raise TooLargeError(
        f"The table {of}over {over} has {cells:.3g} cells, more than {MOST_CELLS:.3g}. "
        "Give the variable fewer parents, or merge states that are rare."
    )
