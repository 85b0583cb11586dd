"""In which order to sum discrete variables out of tables with plates.

Variable elimination with plates (Obermeyer et al., "Tensor variable elimination for plated
factor graphs", 2019): a variable is summed out once its neighbours live in no plate that it
does not live in; what remains is multiplied over those of its plates that no remaining variable
shares. Among those possible the one with the smallest table goes first, ties in the order of
the program, so that a chain is summed from its start, one like step after another.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from probgen.declare.discrete.variables import Dims
from probgen.errors import ModelError, TooLargeError

__all__ = ["MOST_ENTRIES", "Order", "Step", "elimination_order"]

MOST_ENTRIES = 10_000_000


@dataclass(frozen=True)
class Step:
    """Sum `variable` out of the product of the tables `inputs`.

    The product has the variables `scope` (ascending) and the plates `plates`. Tables are
    numbered: first those of the program, then the results of the steps.
    """

    variable: int
    inputs: tuple[int, ...]
    scope: tuple[int, ...]
    plates: Dims

    @property
    def kept(self) -> tuple[int, ...]:
        """The variables of the result."""
        return tuple(v for v in self.scope if v != self.variable)


@dataclass(frozen=True)
class Order:
    """Steps of an elimination; `scopes` and `plates` of every table, `roots` the last ones."""

    steps: tuple[Step, ...]
    scopes: tuple[tuple[int, ...], ...]
    plates: tuple[Dims, ...]
    roots: tuple[int, ...]
    largest: int
    """Entries of the largest table on the way."""


def elimination_order(
    scopes: Sequence[Sequence[int]],
    plates: Sequence[Dims],
    sizes: Sequence[int],
    homes: Sequence[Dims],
    names: Sequence[str],
) -> Order:
    """An order for tables over `scopes` in `plates`; variables have `sizes` and live in `homes`.

    Raises `ModelError` for variables in plates that cross, and `TooLargeError` when a table
    would exceed ten million entries.
    """
    search = _Search(list(map(tuple, scopes)), list(plates), sizes, homes, names)
    return search.run()


@dataclass
class _Search:
    scopes: list[tuple[int, ...]]
    plates: list[Dims]
    sizes: Sequence[int]
    homes: Sequence[Dims]
    names: Sequence[str]
    steps: list[Step] = field(default_factory=list)
    largest: int = 0

    def run(self) -> Order:
        self.tables: dict[int, set[int]] = {}
        for number, scope in enumerate(self.scopes):
            for v in scope:
                self.tables.setdefault(v, set()).add(number)
        queue = [(*self._cost(v), v) for v in self.tables]
        heapq.heapify(queue)
        while self.tables:
            blocked, cost, v = heapq.heappop(queue)
            if v not in self.tables or (blocked, cost) != self._cost(v):
                continue  # summed out already, or priced anew since
            if blocked:
                raise ModelError(self._crossing(v))
            for w in self._eliminate(v):
                heapq.heappush(queue, (*self._cost(w), w))
        roots = tuple(n for n, scope in enumerate(self.scopes) if not scope)
        return Order(
            tuple(self.steps), tuple(self.scopes), tuple(self.plates), roots, self.largest
        )

    def _cost(self, v: int) -> tuple[bool, int]:
        """Whether a neighbour lives in a plate that `v` is not in, and the size of the table."""
        scope = self._joint(v)
        blocked = any(not self.homes[w] <= self.homes[v] for w in scope)
        return blocked, self._entries(scope, self.homes[v])

    def _joint(self, v: int) -> set[int]:
        return {w for number in self.tables[v] for w in self.scopes[number]}

    def _entries(self, scope: set[int], plates: Dims) -> int:
        return math.prod(self.sizes[w] for w in scope) * math.prod(n for _, n in plates)

    def _eliminate(self, v: int) -> list[int]:
        """Note the step, and say whose cost has changed."""
        scope, home = tuple(sorted(self._joint(v))), self.homes[v]
        entries = self._entries(set(scope), home)
        self.largest = max(self.largest, entries)
        if entries > MOST_ENTRIES:
            raise TooLargeError(self._too_large(scope, entries))
        inputs = tuple(sorted(self.tables.pop(v)))
        step = Step(v, inputs, scope, home)
        self.steps.append(step)
        self.scopes.append(step.kept)
        self.plates.append(home)
        for w in step.kept:
            self.tables[w] = (self.tables[w] - set(inputs)) | {len(self.scopes) - 1}
        return list(step.kept)

    def _too_large(self, scope: tuple[int, ...], entries: int) -> str:
        shown = ", ".join(repr(self.names[w]) for w in scope[:4]) + (
            f" and {len(scope) - 4} more" if len(scope) > 4 else ""
        )
        return (
            f"Summing out the discrete sites {shown} needs a table of {float(entries):.1e} "
            f"entries, because they depend on each other; at most {MOST_ENTRIES:.0e} are "
            "allowed. Make each site depend on few others (in a chain on the one before), or "
            "give it fewer values."
        )

    def _crossing(self, v: int) -> str:
        others = [w for w in self._joint(v) if not self.homes[w] <= self.homes[v]]
        return (
            f"Discrete sites {self.names[v]!r} and {self.names[others[0]]!r} live in different "
            "plates and meet in one site: summing them out would take every combination of "
            "all their elements. Replace one of the plates by a loop, for i in pyro.plate(...), "
            "if it is short, or observe one of the sites."
        )
