"""Tables over named variables and states, as declarations give them, made into a `Network`.

Declarations may list the states of a variable in another order in every table. Here they are
mapped by name to one order, checked, normalised and put into logs. Every reader (pgmpy models,
BIF and UAI files) ends here, so that their errors read alike.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from probgen.declare.network import Factor, Network
from probgen.errors import DataError, ModelError

__all__ = ["NamedTable", "Origin", "agreed_states", "assemble", "check_acyclic"]

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


@dataclass(frozen=True)
class Origin:
    """Where tables came from: the class and the first words of errors about them."""

    path: Path | None = None
    line_of: Callable[[int], int] | None = None
    """Line number of a place in the file; only asked for when there is an error."""

    def error(self, message: str, place: int | None = None) -> ModelError | DataError:
        """A `DataError` that names file and line, or a `ModelError` for models in memory."""
        if self.path is None:
            return ModelError(message)
        if place is None or self.line_of is None:
            return DataError(f"{self.path}: {message}")
        return DataError(f"{self.path}, line {self.line_of(place)}: {message}")


IN_MEMORY = Origin()


def assemble(
    title: str,
    states: Mapping[Hashable, tuple[Hashable, ...]],
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
    factors = []
    for table in tables:
        unknown = [name for name in table.scope if name not in position]
        if unknown:
            raise origin.error(
                f"{_capital(table)} is over {unknown[0]!r}, which is no variable of the model: "
                "add the variable or correct the table.",
                table.place,
            )
        values = _in_order(table, [states[name] for name in table.scope], origin)
        table = NamedTable(
            table.scope,
            tuple(states[name] for name in table.scope),
            values,
            table.child_axis,
            table.place,
        )
        scope = tuple(position[name] for name in table.scope)
        child = None if table.child_axis is None else scope[table.child_axis]
        factors.append(Factor(scope, _log_table(table, origin), child))
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


def check_acyclic(
    parents: Mapping[Hashable, Iterable[Hashable]], origin: Origin = IN_MEMORY
) -> None:
    """Raise an error that names the variables of a cycle, if the graph has one."""
    done: set[Hashable] = set()
    for root in parents:
        path: list[Hashable] = []
        on_path: set[Hashable] = set()
        stack: list[tuple[Hashable, bool]] = [(root, False)]
        while stack:
            name, leaving = stack.pop()
            if leaving:
                path.pop()
                on_path.discard(name)
                done.add(name)
            elif name in on_path:
                cycle = [*path[path.index(name) :], name]
                arrows = " -> ".join(str(member) for member in reversed(cycle))
                raise origin.error(
                    f"The graph has a cycle: {arrows}. A Bayesian network has none; "
                    "turn or remove one of these edges."
                )
            elif name not in done:
                path.append(name)
                on_path.add(name)
                stack.append((name, True))
                stack.extend((parent, False) for parent in parents.get(name, ()))


def _numbered(states: tuple[Hashable, ...]) -> bool:
    """Whether the states are the numbers that stand where the user named none."""
    return all(type(state) is int for state in states) and states == tuple(range(len(states)))


def _in_order(
    table: NamedTable, wanted: Sequence[tuple[Hashable, ...]], origin: Origin
) -> np.ndarray:
    """The values with the states of every axis in the wanted order."""
    values = np.asarray(table.values, dtype=np.float64)
    for axis, (name, reference) in enumerate(zip(table.scope, wanted, strict=True)):
        states = table.states[axis]
        if len(states) != values.shape[axis]:
            raise origin.error(
                f"{_capital(table)} names {len(states)} states of {name!r} "
                f"but has {values.shape[axis]} entries for it.",
                table.place,
            )
        if len(states) != len(reference):
            raise origin.error(
                f"{name!r} has {len(reference)} states {reference} but {len(states)} in {table}: "
                "give every table the same number of states.",
                table.place,
            )
        if states is reference or (_numbered(states) and not _integers(reference)):
            continue
        place = {state: k for k, state in enumerate(states)}
        strange = [state for state in reference if state not in place]
        if strange:
            raise origin.error(
                f"The states of {name!r} are {reference}, but {table} has {states}: "
                "use the same names everywhere (their order may differ).",
                table.place,
            )
        order = [place[state] for state in reference]
        if order != list(range(len(order))):
            values = values.take(order, axis=axis)
    return values


def _integers(states: tuple[Hashable, ...]) -> bool:
    return all(type(state) is int for state in states)


def _log_table(table: NamedTable, origin: Origin) -> np.ndarray:
    """Checked, normalised if conditional, in nats."""
    values = table.values
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        raise origin.error(
            f"{_capital(table)} has the entry {values[bad][0]} at "
            f"{_at(table, np.argwhere(bad)[0])}: entries must be finite and not negative.",
            table.place,
        )
    if table.child_axis is not None:
        values = _normalised(table, origin)
    elif not (values > 0).any():
        raise origin.error(
            f"{_capital(table)} is zero everywhere, so that no state is possible: "
            "give at least one state a positive value.",
            table.place,
        )
    with np.errstate(divide="ignore"):
        return np.log(values)


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
