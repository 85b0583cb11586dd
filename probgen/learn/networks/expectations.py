"""Expected counts of every table under the posterior of what is missing: the E-step.

Given a row's observed values, its missing variables fall into components that share no factor.
A component depends on the values of its Markov blanket alone, so equal (component, blanket)
pairs, from whatever rows, are computed once. Small components are summed over all their joint
states, for all pairs at once; larger ones go to the marginal oracle one by one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from probgen.declare.network import Factor, Network
from probgen.errors import DataError, EvidenceError
from probgen.learn.networks.skeleton import Skeleton
from probgen.learn.table import Table
from probgen.targets.factors import Factors, condition

__all__ = ["Block", "Expectations"]

_CHUNK = 1 << 21  # joint states held at once
_SMALL = 1 << 12  # joint states of a component that is summed over directly

Oracle = Callable[[Factors], tuple[float, list[np.ndarray]]]


@dataclass(frozen=True, eq=False)
class Block:
    """A component of missing variables with the values of its blanket.

    hidden, blanket: positions of variables. factors: positions of the tables they share.
    values: int64 (case, blanket variable); weights: float64 (case,).
    """

    hidden: tuple[int, ...]
    blanket: tuple[int, ...]
    factors: tuple[int, ...]
    values: np.ndarray
    weights: np.ndarray


class Expectations:
    """Data with holes, cut into complete families and blocks once; then evaluated many times.

    `enumerate_up_to` is the most joint states of a component that are summed over directly.
    """

    def __init__(
        self, skeleton: Skeleton, table: Table, oracle: Oracle | None,
        enumerate_up_to: int = _SMALL,
    ) -> None:  # fmt: skip
        self.skeleton = skeleton
        self.cards = [int(card) for card in table.cards]
        self.oracle = oracle
        self.limit = enumerate_up_to
        self.fixed = [np.zeros([self.cards[v] for v in scope]) for scope in skeleton.scopes]
        self.blocks: list[Block] = []
        self._cut(table.distinct())

    def evaluate(self, log_tables: Sequence[np.ndarray]) -> tuple[float, list[np.ndarray]]:
        """Sum over rows of log sum over the missing values of the product of tables (nats).

        With it the expected counts, an array like each table. For a Bayesian network the first
        is the log likelihood; for a Markov network log Z of each row is still to be taken off.
        Raises `DataError` when a row has probability zero.
        """
        counts = [fixed.copy() for fixed in self.fixed]
        total = 0.0
        for k, (fixed, table) in enumerate(zip(self.fixed, log_tables, strict=True)):
            seen = fixed > 0
            total += float(fixed[seen] @ table[seen])
            if total == -np.inf:
                raise DataError(f"The data are impossible: {self._scope(k)} has probability zero.")
        for block in self.blocks:
            if math.prod(self.cards[v] for v in block.hidden) <= self.limit:
                total += self._enumerate(block, log_tables, counts)
            else:
                total += self._ask(block, log_tables, counts)
        return total, counts

    # Cutting

    def _cut(self, table: Table) -> None:
        missing = table.codes < 0
        patterns, which = np.unique(missing, axis=0, return_inverse=True)
        cases: dict[tuple[int, ...], list[tuple[np.ndarray, np.ndarray]]] = {}
        for p, pattern in enumerate(patterns):
            rows = table.select(which.ravel() == p)
            for k, scope in enumerate(self.skeleton.scopes):
                if not pattern[list(scope)].any():
                    self.fixed[k] += rows.counts(scope)
            for hidden in self._components(pattern):
                blanket = list(self._blanket(hidden)[1])
                cases.setdefault(hidden, []).append((rows.codes[:, blanket], rows.weights))
        for hidden, found in cases.items():
            factors, blanket_of = self._blanket(hidden)
            values, inverse = np.unique(
                np.concatenate([v for v, _ in found]), axis=0, return_inverse=True
            )
            weights = np.concatenate([w for _, w in found])
            summed = np.bincount(inverse.ravel(), weights, len(values))
            self.blocks.append(Block(hidden, blanket_of, factors, values.astype(np.int64), summed))

    def _components(self, pattern: np.ndarray) -> list[tuple[int, ...]]:
        """Components of missing variables, linked when some scope holds both."""
        root = {int(v): int(v) for v in np.flatnonzero(pattern)}

        def find(v: int) -> int:
            while root[v] != v:
                root[v] = root[root[v]]
                v = root[v]
            return v

        for scope in self.skeleton.scopes:
            inside = [v for v in scope if v in root]
            for v in inside[1:]:
                root[find(v)] = find(inside[0])
        groups: dict[int, list[int]] = {}
        for v in root:
            groups.setdefault(find(v), []).append(v)
        return [tuple(group) for group in groups.values()]

    @cached_property
    def _touching(self) -> list[list[int]]:
        touching: list[list[int]] = [[] for _ in self.cards]
        for k, scope in enumerate(self.skeleton.scopes):
            for v in scope:
                touching[v].append(k)
        return touching

    def _blanket(self, hidden: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        factors = sorted({k for v in hidden for k in self._touching[v]})
        around = {v for k in factors for v in self.skeleton.scopes[k]} - set(hidden)
        return tuple(factors), tuple(sorted(around))

    # Summing

    def _enumerate(
        self, block: Block, log_tables: Sequence[np.ndarray], counts: list[np.ndarray]
    ) -> float:
        """All joint states of a small component; adds to `counts`, returns the log sum."""
        cards = [self.cards[v] for v in block.hidden]
        states = np.indices(cards).reshape(len(cards), -1)
        step = max(1, _CHUNK // states.shape[1])
        total = 0.0
        for first in range(0, len(block.weights), step):
            part = slice(first, first + step)
            places = [self._places(block, k, states, block.values[part]) for k in block.factors]
            logs = np.zeros((len(block.weights[part]), states.shape[1]))
            for k, place in zip(block.factors, places, strict=True):
                logs += log_tables[k].ravel()[place]
            top = logs.max(axis=1, keepdims=True)
            if (top == -np.inf).any():
                self._refuse(block, block.values[part][np.argmin(top[:, 0])])
            shares = np.exp(logs - top)
            sums = shares.sum(axis=1, keepdims=True)
            total += float(block.weights[part] @ (top + np.log(sums))[:, 0])
            shares *= block.weights[part][:, None] / sums
            for k, place in zip(block.factors, places, strict=True):
                counts[k] += np.bincount(place.ravel(), shares.ravel(), counts[k].size).reshape(
                    counts[k].shape
                )
        return total

    def _places(
        self, block: Block, factor: int, states: np.ndarray, values: np.ndarray
    ) -> np.ndarray:
        """Position in a flat table of each (case, joint state)."""
        by_case = np.zeros(len(values), dtype=np.int64)
        by_state = np.zeros(states.shape[1], dtype=np.int64)
        stride = 1
        for v in reversed(self.skeleton.scopes[factor]):
            if v in block.hidden:
                by_state += stride * states[block.hidden.index(v)]
            else:
                by_case += stride * values[:, block.blanket.index(v)]
            stride *= self.cards[v]
        return by_case[:, None] + by_state

    def _ask(
        self, block: Block, log_tables: Sequence[np.ndarray], counts: list[np.ndarray]
    ) -> float:
        """The oracle, case by case; adds to `counts`, returns the log sum."""
        if self.oracle is None:
            raise ValueError("a component is too large to enumerate and there is no oracle")
        network = self._subnetwork(block, log_tables)
        place = {v: p for p, v in enumerate((*block.hidden, *block.blanket))}
        shown = [place[v] for v in block.blanket]
        total = 0.0
        for values, weight in zip(block.values, block.weights, strict=True):
            evidence = dict(zip(shown, map(int, values), strict=True))
            try:
                log_z, posteriors = self.oracle(condition(network, evidence))
            except EvidenceError:
                log_z = -np.inf
            if log_z == -np.inf:
                self._refuse(block, values)
            total += weight * log_z
            for k, posterior in zip(block.factors, posteriors, strict=True):
                scope = self.skeleton.scopes[k]
                cell = tuple(
                    slice(None) if v in block.hidden else evidence[place[v]] for v in scope
                )
                counts[k][cell] += weight * posterior
        return total

    def _subnetwork(self, block: Block, log_tables: Sequence[np.ndarray]) -> Network:
        inside = (*block.hidden, *block.blanket)
        place = {v: p for p, v in enumerate(inside)}
        return Network(
            tuple(self.skeleton.names[v] for v in inside),
            tuple(self.skeleton.states[v] or () for v in inside),
            tuple(
                Factor(tuple(place[v] for v in self.skeleton.scopes[k]), log_tables[k])
                for k in block.factors
            ),
        )

    def _scope(self, factor: int) -> str:
        scope = self.skeleton.scopes[factor]
        return "a state of " + ", ".join(repr(self.skeleton.names[v]) for v in scope)

    def _refuse(self, block: Block, values: np.ndarray) -> None:
        told = ", ".join(
            f"{self.skeleton.names[v]}={(self.skeleton.states[v] or ())[int(s)]}"
            for v, s in zip(block.blanket, values, strict=True)
        )
        raise DataError(
            f"The data are impossible under the tables: a row with {told} has probability zero."
        )
