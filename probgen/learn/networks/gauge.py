"""The zero-sum gauge: one representative of all tables that declare the same distribution.

Adding a function of some of a factor's variables, and taking it off another factor that has
them too, changes no probability. In the zero-sum gauge (the analysis of variance of the log
tables) each term stands in the factor of exactly its variables, where there is one, and sums to
zero over each of them; constants are dropped.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

__all__ = ["zero_sum"]


def zero_sum(
    scopes: Sequence[tuple[int, ...]], log_tables: Sequence[np.ndarray]
) -> list[np.ndarray]:
    """The tables in zero-sum gauge; those with impossible states (-inf) stay as they are."""
    tables = [np.array(table, dtype=np.float64) for table in log_tables]
    homes: dict[frozenset[int], int] = {}
    for k, scope in enumerate(scopes):
        if np.isfinite(tables[k]).all():
            homes.setdefault(frozenset(scope), k)
    for k in sorted(range(len(scopes)), key=lambda k: -len(scopes[k])):
        if np.isfinite(tables[k]).all():
            _hand_down(k, scopes, tables, homes)
    return tables


def _hand_down(
    k: int,
    scopes: Sequence[tuple[int, ...]],
    tables: list[np.ndarray],
    homes: dict[frozenset[int], int],
) -> None:
    """Move the terms of table k that have a factor of their own there; drop the constant."""
    scope = scopes[k]
    terms = _terms(tables[k])
    for axes, term in terms.items():
        home = homes.get(frozenset(scope[a] for a in axes))
        if not axes:
            tables[k] -= term
        elif home is not None and home != k:
            tables[k] -= term
            inside = [scope[a] for a in axes]
            order = [inside.index(v) for v in scopes[home]]
            shaped = term.reshape([term.shape[a] for a in axes])
            tables[home] += np.transpose(shaped, order)


def _terms(table: np.ndarray) -> dict[tuple[int, ...], np.ndarray]:
    """The interaction of each set of axes, broadcastable to the table; they add up to it."""
    axes = range(table.ndim)
    terms: dict[tuple[int, ...], np.ndarray] = {}
    for size in range(table.ndim + 1):
        for inside in itertools.combinations(axes, size):
            outside = tuple(a for a in axes if a not in inside)
            term = table.mean(axis=outside, keepdims=True)
            for smaller in range(size):
                for subset in itertools.combinations(inside, smaller):
                    term = term - terms[subset]
            terms[inside] = term
    return terms
