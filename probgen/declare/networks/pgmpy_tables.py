"""pgmpy's factors and conditional tables as `NamedTable`s, checked against the graph."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from probgen.declare.networks.named_tables import NamedTable
from probgen.errors import ModelError

__all__ = ["one_for_each", "read_table"]


def read_table(factor: Any, *, conditional: bool = False) -> NamedTable:
    """A factor of pgmpy; as a conditional table its first variable is the child."""
    scope = tuple(factor.variables)
    values = _float64(factor.values)
    names: Mapping[Hashable, Sequence[Hashable]] = getattr(factor, "state_names", None) or {}
    states = tuple(
        tuple(names[name]) if name in names else tuple(range(card))
        for name, card in zip(scope, values.shape, strict=True)
    )
    return NamedTable(scope, states, values, 0 if conditional else None)


def one_for_each(
    tables: Iterable[NamedTable], edges: Mapping[Hashable, Sequence[Hashable]]
) -> list[NamedTable]:
    """The conditional tables in the order of the variables; `edges` gives the parents of each.

    Raises `ModelError` for a variable with no CPD or two, and for one whose parents are not
    those of the graph.
    """
    found: dict[Hashable, NamedTable] = {}
    for table in tables:
        child = table.scope[0]
        if child not in edges:
            raise ModelError(f"{table} is for {child!r}, which is no variable of the model.")
        if child in found:
            raise ModelError(f"The variable {child!r} has two CPDs: remove one of them.")
        _check_parents(table, edges[child])
        found[child] = table
    missing = [name for name in edges if name not in found]
    if missing:
        others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise ModelError(
            f"The variable {missing[0]!r} has no CPD{others}: add one with add_cpds, "
            "or fit the network to data."
        )
    return [found[name] for name in edges]


def _float64(values: Any) -> np.ndarray:
    """An array or tensor of any backend as a float64 array."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    return np.asarray(values, dtype=np.float64)


def _check_parents(table: NamedTable, parents: Sequence[Hashable]) -> None:
    extra = [name for name in table.scope[1:] if name not in parents]
    lacking = [name for name in parents if name not in table.scope[1:]]
    if extra or lacking:
        what = f"has no edge from {extra[0]!r}" if extra else f"has an edge from {lacking[0]!r}"
        raise ModelError(
            f"{table} does not fit the graph, which {what} to {table.scope[0]!r}: "
            "make the evidence of the CPD the parents of the variable."
        )
