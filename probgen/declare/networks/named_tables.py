"""Tables over named variables and states, as declarations give them, made into a `Network`.

Declarations may list the states of a variable in another order in every table. Here they are
mapped by name to one order, checked, normalised and put into logs. Every reader (pgmpy models,
BIF and UAI files) ends here, so that their errors read alike.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from probgen.declare.network import Factor, Network
from probgen.declare.networks.origin import IN_MEMORY, Origin
from probgen.errors import ModelError

__all__ = ["ROUNDING", "NamedTable", "agreed_states", "assemble"]

ROUNDING = 1e-2
"""Columns of conditional tables may miss one by this much: files print few digits."""


@dataclass(frozen=True, eq=False)
class NamedTable:
    """A table of probabilities or potentials (linear, not logs).

    Axis k of `values` belongs to the variable `scope[k]`, its states are `states[k]`.
    `child_axis` is the axis of the variable that a conditional table normalises, else None.
    """

    scope: tuple[Hashable, ...]
    states: tuple[tuple[Hashable, ...], ...]
    values: np.ndarray
    child_axis: int | None = None
    place: int | None = None
    """Where the table stands in its file, as `Origin.line_of` understands it."""

    def __str__(self) -> str:
        if self.child_axis is None:
            return f"the factor over ({', '.join(map(str, self.scope))})"
        given = [str(name) for k, name in enumerate(self.scope) if k != self.child_axis]
        bar = f" | {', '.join(given)}" if given else ""
        return f"P({self.scope[self.child_axis]}{bar})"


def assemble(
    title: str,
    states: Mapping[Any, tuple[Hashable, ...]],
    tables: Iterable[NamedTable],
    latents: Iterable[Hashable] = (),
    origin: Origin = IN_MEMORY,
) -> Network:
    """The network of these tables; `states` gives the variables in order, and their states.

    Raises `ModelError`, or `DataError` for tables from a file, naming the variable, the states
    of its parents and the cure: tables over unknown variables, state names that differ, NaN,
    negative entries, tables without a positive entry, conditional tables whose columns do not
    sum to one (within 0.01; what is within is normalised).
    """
    position = {name: v for v, name in enumerate(states)}
    ordered = [_in_order(table, states, origin) for table in tables]
    logs = _log_tables(ordered, origin)
    factors = []
    for table, log_table in zip(ordered, logs, strict=True):
        scope = tuple(position[name] for name in table.scope)
        child = None if table.child_axis is None else scope[table.child_axis]
        factors.append(Factor(scope, log_table, child))
    hidden = frozenset(position[name] for name in latents if name in position)
    return Network(tuple(states), tuple(states.values()), tuple(factors), title, hidden)


def agreed_states(
    variables: Sequence[Hashable], tables: Sequence[NamedTable]
) -> dict[Hashable, tuple[Hashable, ...]]:
    """One order of states for each variable.

    A variable's own conditional table decides, else the first table over it; names that the
    user gave go before the numbers 0, 1, ... that stand where none were given.
    Raises `ModelError` for a variable in no table: nothing says how many states it has.
    """
    best: dict[Hashable, tuple[tuple[bool, bool], tuple[Hashable, ...]]] = {}
    for table in tables:
        for axis, name in enumerate(table.scope):
            states = table.states[axis]
            rank = (_numbered(states), axis != table.child_axis)
            if name not in best or rank < best[name][0]:
                best[name] = (rank, states)
    for name in variables:
        if name not in best:
            raise ModelError(
                f"The variable {name!r} is in no table, so its number of states is unknown: "
                "add a factor of ones over it, or remove it."
            )
    return {name: best[name][1] for name in variables}


def _numbered(states: tuple[Hashable, ...]) -> bool:
    """Whether the states are the numbers that stand where the user named none."""
    return all(type(state) is int for state in states) and states == tuple(range(len(states)))


def _in_order(
    table: NamedTable, states: Mapping[Any, tuple[Hashable, ...]], origin: Origin
) -> NamedTable:
    """The table with the states of every axis in the given order."""
    if table.states == tuple(states.get(name) for name in table.scope) and (
        table.values.shape == tuple(map(len, table.states))
    ):
        return table
    values = table.values
    for axis, (name, own) in enumerate(zip(table.scope, table.states, strict=True)):
        wanted = states.get(name)
        if wanted is None:
            raise origin.error(
                f"{_capital(table)} is over {name!r}, which is no variable of the model: "
                "add the variable or correct the table.",
                table.place,
            )
        _check_cards(table, axis, wanted, origin)
        if own is wanted or (_numbered(own) and not _integers(wanted)):
            continue
        place = {state: k for k, state in enumerate(own)}
        if any(state not in place for state in wanted):
            raise origin.error(
                f"The states of {name!r} are {wanted}, but {table} has {own}: "
                "use the same names everywhere (their order may differ).",
                table.place,
            )
        order = [place[state] for state in wanted]
        if order != list(range(len(order))):
            values = values.take(order, axis=axis)
    own_order = tuple(states[name] for name in table.scope)
    return NamedTable(table.scope, own_order, values, table.child_axis, table.place)


def _check_cards(
    table: NamedTable, axis: int, wanted: tuple[Hashable, ...], origin: Origin
) -> None:
    name, own, card = table.scope[axis], table.states[axis], table.values.shape[axis]
    if len(own) != card:
        raise origin.error(
            f"{_capital(table)} names {len(own)} states of {name!r} "
            f"but has {card} entries for it.",
            table.place,
        )
    if card != len(wanted):
        raise origin.error(
            f"{name!r} has {len(wanted)} states {wanted} but {card} in {table}: "
            "give every table the same number of states.",
            table.place,
        )


def _integers(states: tuple[Hashable, ...]) -> bool:
    return all(type(state) is int for state in states)


def _log_tables(tables: Sequence[NamedTable], origin: Origin) -> list[np.ndarray]:
    """Checked, normalised if conditional, in nats. Small tables are many: one pass for all."""
    if not tables:
        return []
    ends = np.cumsum([table.values.size for table in tables])
    flat = np.concatenate([table.values.ravel() for table in tables])
    bad = ~(np.isfinite(flat) & (flat >= 0))
    if bad.any():
        table = tables[int(np.searchsorted(ends, int(bad.argmax()), side="right"))]
        wrong = ~(np.isfinite(table.values) & (table.values >= 0))
        raise origin.error(
            f"{_capital(table)} has the entry {table.values[wrong][0]:g} at "
            f"{_at(table, np.argwhere(wrong)[0])}: entries must be finite and not negative.",
            table.place,
        )
    starts = [0, *ends.tolist()]
    tops = np.maximum.reduceat(flat, starts[:-1])
    for k, table in enumerate(tables):
        if table.child_axis is not None:
            flat[starts[k] : starts[k + 1]] = _normalised(table, origin).ravel()
        elif tops[k] == 0:
            raise origin.error(
                f"{_capital(table)} is zero everywhere, so that no state is possible: "
                "give at least one state a positive value.",
                table.place,
            )
    with np.errstate(divide="ignore"):
        flat = np.log(flat)
    return [
        flat[start:end].reshape(table.values.shape)
        for table, start, end in zip(tables, starts, starts[1:], strict=False)
    ]


def _normalised(table: NamedTable, origin: Origin) -> np.ndarray:
    axis = table.child_axis
    assert axis is not None
    sums = table.values.sum(axis=axis, keepdims=True)
    off = np.abs(sums - 1) > ROUNDING
    if off.any():
        where = _at(table, np.argwhere(off)[0], leave_out=axis)
        given = f" given {where}" if where else ""
        raise origin.error(
            f"{_capital(table)}{given} sums to {float(sums[off][0]):.6g}, not 1: correct the "
            f"probabilities of {table.scope[axis]!r}.",
            table.place,
        )
    return table.values / sums


def _at(table: NamedTable, index: Sequence[int], leave_out: int | None = None) -> str:
    """A cell of a table as `a=yes, b=no`."""
    return ", ".join(
        f"{name}={table.states[k][index[k]]}"
        for k, name in enumerate(table.scope)
        if k != leave_out
    )


def _capital(table: NamedTable) -> str:
    text = str(table)
    return text[0].upper() + text[1:]
