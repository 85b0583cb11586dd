"""Which joint states a network with zeros can reach at all, factor by factor.

Zeros are read as constraints. States without support in some factor are removed until nothing
changes (generalised arc consistency, Mackworth 1977). States that another state of the same
variable can stand in for are folded into it (dismantling, Brightwell & Winkler 2000): that
changes nothing about whether single-site moves connect the support, so only what is left, the
core, needs blocks.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np

from probgen.errors import EvidenceError, ModelError, ProbgenError
from probgen.targets.factors import Factors

__all__ = ["Contradiction", "Support", "components", "impossible"]


MOST_ENTRIES = 2e7
"""Table entries to spend on naming the part of the evidence at fault."""


class Contradiction(Exception):
    """No state of `variable` is left by the factor over `scope`."""

    def __init__(self, variable: int, scope: tuple[int, ...]):
        super().__init__(variable, scope)
        self.variable, self.scope = variable, scope


class Support:
    """Possible states of each variable, and the factors with zeros as boolean tables.

    Attributes
    ----------
    domains: of each free variable, which states are still possible, bool.
    sizes: of each free variable, how many that are.
    scopes, tables: of each factor over two or more variables that has a zero; False is zero,
        also wherever a state of a variable has been removed.

    Raises `EvidenceError` (with evidence) or `ModelError` (without) when nothing is possible.

    """

    def __init__(self, factors: Factors):
        self.factors = factors
        self.domains = [np.ones(card, dtype=bool) for card in factors.cards]
        self.sizes = factors.cards.copy()
        self.scopes: list[tuple[int, ...]] = []
        self.tables: list[np.ndarray] = []
        for scope, log_table in zip(factors.scopes, factors.log_tables, strict=True):
            possible = log_table > -np.inf
            if len(scope) == 1:
                self.domains[scope[0]] &= possible
            elif not possible.all():
                self.scopes.append(scope)
                self.tables.append(possible)
        self.of: list[list[int]] = [[] for _ in factors.cards]
        for f, scope in enumerate(self.scopes):
            for v in scope:
                self.of[v].append(f)
        try:
            for v, domain in enumerate(self.domains):
                self.remove(v, ~domain)
            self.propagate(range(len(self.scopes)))
        except Contradiction as found:
            raise impossible(factors, *found.args) from None

    def copy(self) -> Support:
        """A copy that can be narrowed without changing this one."""
        other = copy.copy(self)
        other.domains, other.tables = list(self.domains), list(self.tables)
        other.sizes = self.sizes.copy()
        return other

    def remove(self, v: int, dead: np.ndarray) -> set[int]:
        """Remove states of a variable; the tables that changed, to be propagated."""
        if not self._shrink(v, dead):
            scopes = (scope for scope in self.factors.scopes if v in scope)
            raise Contradiction(v, next(scopes))
        return self._clear(v, dead)

    def propagate(self, changed: Iterable[int]) -> set[int]:
        """Remove states without support, from the tables `changed` on; variables that shrank.

        Raises `Contradiction` when a variable has no state left.
        """
        queue = deque(changed)
        waiting = set(queue)
        shrunk: set[int] = set()
        while queue:
            f = queue.popleft()
            waiting.discard(f)
            for axis, v in enumerate(self.scopes[f]):
                others = tuple(a for a in range(len(self.scopes[f])) if a != axis)
                dead = self.domains[v] & ~self.tables[f].any(axis=others)
                if not dead.any():
                    continue
                if not self._shrink(v, dead):
                    raise Contradiction(v, self.scopes[f])
                shrunk.add(v)
                for g in self._clear(v, dead):
                    if g != f and g not in waiting:
                        waiting.add(g)
                        queue.append(g)
        return shrunk

    def fold(self) -> None:
        """Fold states into others that may stand wherever they may, as long as there are any."""
        queue = deque(range(len(self.domains)))
        waiting = set(queue)
        while queue:
            v = queue.popleft()
            waiting.discard(v)
            folded = self._dominated(v)
            if not folded.any():
                continue
            shrunk = self.propagate(self.remove(v, folded)) | {v}
            again = {w for u in shrunk for f in self.of[u] for w in self.scopes[f]} - waiting
            waiting |= again
            queue.extend(sorted(again))

    def ties(self, near_zero: float = 0.0) -> list[tuple[int, ...]]:
        """Variables that constrain each other, factor by factor.

        Those whose state matters to what a factor allows the others; possible states with at
        most `near_zero` of a factor's largest entry count as not allowed here.
        """
        if near_zero == 0:
            tables = zip(self.scopes, self.tables, strict=True)
            found = (self._tying(scope, table) for scope, table in tables)
        else:
            found = (
                self._tying(scope, self._above(scope, log_table, np.log(near_zero)))
                for scope, log_table in zip(
                    self.factors.scopes, self.factors.log_tables, strict=True
                )
                if len(scope) > 1
            )
        return [tie for tie in found if tie]

    def constraints(self) -> list[tuple[tuple[int, ...], np.ndarray]]:
        """The ties with the tables over them: together with the domains, the whole support."""
        found = []
        for scope, table in zip(self.scopes, self.tables, strict=True):
            tie = self._tying(scope, table)
            others = tuple(axis for axis, v in enumerate(scope) if v not in tie)
            if tie:
                found.append((tie, np.asarray(table.any(axis=others))))
        return found

    def _above(self, scope: tuple[int, ...], log_table: np.ndarray, bound: float) -> np.ndarray:
        for axis, v in enumerate(scope):
            shape = [-1 if a == axis else 1 for a in range(len(scope))]
            log_table = np.where(self.domains[v].reshape(shape), log_table, -np.inf)
        return np.asarray(log_table > log_table.max() + bound)

    def _tying(self, scope: tuple[int, ...], table: np.ndarray) -> tuple[int, ...]:
        variables = []
        for axis, v in enumerate(scope):
            rows = table.swapaxes(0, axis)[self.domains[v]]
            if (rows != rows[:1]).any():
                variables.append(v)
        return tuple(variables)

    def _dominated(self, v: int) -> np.ndarray:
        alive = np.flatnonzero(self.domains[v])
        folded = np.zeros(len(self.domains[v]), dtype=bool)
        if len(alive) < 2:
            return folded
        within = np.ones((len(alive), len(alive)), dtype=bool)
        for f in self.of[v]:
            rows = np.moveaxis(self.tables[f], self.scopes[f].index(v), 0)[alive]
            rows = rows.reshape(len(alive), -1).astype(np.float32)
            within &= rows @ (1 - rows).T == 0
        np.fill_diagonal(within, False)
        left = np.ones(len(alive), dtype=bool)
        for k in range(len(alive)):
            if (within[k] & left).any():
                left[k] = False
        folded[alive[~left]] = True
        return folded

    def _shrink(self, v: int, dead: np.ndarray) -> bool:
        self.domains[v] = self.domains[v] & ~dead
        self.sizes[v] = np.count_nonzero(self.domains[v])
        return bool(self.sizes[v])

    def _clear(self, v: int, dead: np.ndarray) -> set[int]:
        """Set the dead states of a variable to False in its tables; the tables that changed."""
        touched = set()
        for f in self.of[v] if dead.any() else ():
            axis = self.scopes[f].index(v)
            if np.moveaxis(self.tables[f], axis, 0)[dead].any():
                table = self.tables[f].copy()
                np.moveaxis(table, axis, 0)[dead] = False
                self.tables[f] = table
                touched.add(f)
        return touched


def impossible(
    factors: Factors, variable: int | None = None, scope: tuple[int, ...] = ()
) -> ProbgenError:
    """The error for a network in which nothing has positive probability.

    It names the part of the evidence at fault where exact elimination can find it, else the
    variable and the factor (positions) that propagation ended at.
    """
    from probgen.inference.graphical.elimination.conflict import impossible_evidence
    from probgen.inference.graphical.elimination.memory import cost_of

    if cost_of(factors).entries <= MOST_ENTRIES:
        return impossible_evidence(factors)
    where = ""
    if variable is not None:
        names = ", ".join(repr(factors.name(v)) for v in scope)
        where = f" (no state of {factors.name(variable)!r} is left by the factor over {names})"
    if factors.evidence:
        return EvidenceError(
            f"Impossible evidence: {factors.describe_evidence()} has probability zero{where}. "
            "Leave out or correct one of these."
        )
    return ModelError(
        f"Every joint state has probability zero{where}. A table with too many zeros is the "
        "usual reason."
    )


def components(ties: Iterable[Sequence[int]]) -> list[tuple[int, ...]]:
    """Groups of variables that are tied to each other, directly or through others."""
    leader: dict[int, int] = {}

    def find(v: int) -> int:
        while leader.setdefault(v, v) != v:
            leader[v] = leader[leader[v]]
            v = leader[v]
        return v

    for tie in ties:
        for v in tie:
            leader[find(v)] = find(tie[0])
    groups: dict[int, list[int]] = {}
    for v in sorted(leader):
        groups.setdefault(find(v), []).append(v)
    return [tuple(group) for group in groups.values()]
