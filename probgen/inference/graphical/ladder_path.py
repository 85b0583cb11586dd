"""The path from independent variables to a network, for tempering and annealing.

At position s of the path a state has the unnormalised log density
    (1 - s) log q(x) + s E(x) - p(s) V(x),
with q a product of independent, normalised distributions, E the sum of the log tables with their
zeros filled, and V the number of zeros that x hits. The penalty p(s) = -4 log(1 - s) grows from 0
to infinity, so that all states are possible on the way and those of probability zero fade out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from probgen.errors import EvidenceError
from probgen.inference.graphical.method import state_offsets
from probgen.inference.graphical.sweeps.log_joint import LogJoint
from probgen.inference.graphical.sweeps.native import NativeModel
from probgen.inference.graphical.sweeps.sweeper import TABLE_BUDGET, Sweeper
from probgen.targets.factors import Factors

__all__ = ["Path", "Statistics", "field_base", "uniform_base"]

_UNIFORM_SHARE = 0.01
_MERGE = 256
"""Entries up to which tables are merged: more makes sweeps faster and each step slower."""
_FADING = 4.0
"""A zero has weight (1 - s)**4: about 0.02 where half the path is done."""


def penalty(s: float) -> float:
    """Log weight, with a minus, of each zero that a state hits at position s."""
    return math.inf if s >= 1 else -_FADING * math.log1p(-s)


def uniform_base(cards: np.ndarray) -> np.ndarray:
    """Uniform log probabilities of the states of every variable, flat."""
    return np.concatenate([*(np.full(card, -math.log(card)) for card in cards), np.zeros(0)])


def field_base(factors: Factors) -> np.ndarray:
    """Log probabilities of the states of every variable by its own factors alone, flat.

    A hundredth is uniform, so that no state is lost. Marginals found by a run at the network
    would be nearer to it, but dangerous: seen from one mode, they hide the others.
    """
    fields = [np.zeros(card) for card in factors.cards]
    for scope, table in zip(factors.scopes, factors.log_tables, strict=True):
        if len(scope) == 1 and np.isfinite(table).any():
            fields[scope[0]] = fields[scope[0]] + table
    base = [np.zeros(0)]
    for field in fields:
        top = field.max()
        weights = np.exp(field - top) if np.isfinite(top) else np.ones(len(field))
        mixed = (1 - _UNIFORM_SHARE) * weights / weights.sum() + _UNIFORM_SHARE / len(field)
        base.append(np.log(mixed))
    return np.concatenate(base)


@dataclass(frozen=True, eq=False)
class Statistics:
    """What the path needs to know of states: gain = E - log q (nats), and zeros hit, (C,) each."""

    gain: np.ndarray
    zeros: np.ndarray

    def step(self, start: float, stop: float) -> np.ndarray:
        """Log density at `stop` less that at `start`, (C,); start < 1."""
        change = (stop - start) * self.gain
        if stop >= 1:
            return np.where(self.zeros > 0, -np.inf, change)
        return change - (penalty(stop) - penalty(start)) * self.zeros


@dataclass(frozen=True, eq=False)
class Path:
    """The path that ends at `factors` and begins at independent variables.

    base: log probabilities of every state of every variable under q, flat, normalised.
    """

    factors: Factors
    base: np.ndarray

    @cached_property
    def offsets(self) -> np.ndarray:
        """Where each variable's states begin in `base`."""
        return state_offsets(self.factors.cards)

    @cached_property
    def _filled(self) -> tuple[np.ndarray, ...]:
        """Tables whose zeros hold the least finite entry instead."""
        return tuple(_fill(self.factors, f) for f in range(len(self.factors.scopes)))

    @cached_property
    def _impossible(self) -> tuple[np.ndarray, ...]:
        return tuple(np.isneginf(table) for table in self.factors.log_tables)

    @cached_property
    def _unaries(self) -> tuple[np.ndarray, ...]:
        cuts = self.offsets
        return tuple(self.base[a:b] for a, b in pairwise(cuts))

    @cached_property
    def extended(self) -> Factors:
        """The factors and one of a single variable for each, which holds q."""
        factors = self.factors
        own = tuple((v,) for v in range(len(factors.cards)))
        return replace(
            factors,
            scopes=factors.scopes + own,
            log_tables=self._filled + self._unaries,
            children=factors.children + (None,) * len(own),
        )

    @property
    def has_zeros(self) -> bool:
        """Whether some states are impossible."""
        return any(table.any() for table in self._impossible)

    def sweeper(self, s: float) -> Sweeper:
        """Gibbs sweeps that leave the density at position s invariant."""
        if s >= 1:
            return self._target_sweeper
        filled, impossible = self._flat_tables
        tables = s * filled - penalty(s) * impossible
        flat = replace(
            self.extended.flat, log_tables=np.concatenate([tables, (1 - s) * self.base])
        )
        # Colours and merging do not depend on the tables; only these are built anew.
        sweeper = copy(self._pattern)
        pattern = sweeper.native
        sweeper.native = NativeModel(flat, sweeper.order, pattern.merge, TABLE_BUDGET, True)
        return sweeper

    @cached_property
    def _target_sweeper(self) -> Sweeper:
        return Sweeper(self.factors)

    @cached_property
    def _pattern(self) -> Sweeper:
        return Sweeper(self.extended, merge=_MERGE)

    @cached_property
    def _flat_tables(self) -> tuple[np.ndarray, np.ndarray]:
        none = [np.zeros(0)]
        filled = np.concatenate([table.ravel() for table in self._filled] or none)
        impossible = np.concatenate([table.ravel() for table in self._impossible] or none)
        return filled, impossible.astype(np.float64)

    @cached_property
    def _gain(self) -> LogJoint:
        tables = self._filled + tuple(-unary for unary in self._unaries)
        return LogJoint(replace(self.extended, log_tables=tables, log_constant=0.0))

    @cached_property
    def _zeros(self) -> LogJoint | None:
        hit = [f for f, table in enumerate(self._impossible) if table.any()]
        if not hit:
            return None
        factors = self.factors
        return LogJoint(
            replace(
                factors,
                scopes=tuple(factors.scopes[f] for f in hit),
                log_tables=tuple(self._impossible[f].astype(np.float64) for f in hit),
                children=(None,) * len(hit),
                log_constant=0.0,
            )
        )

    def statistics(self, states: np.ndarray) -> Statistics:
        """Of `states` (n, C)."""
        gain = self._gain(states)
        zeros = np.zeros_like(gain) if self._zeros is None else self._zeros(states)
        return Statistics(gain, zeros)

    def draw_base(self, chains: int, seed: Sequence[int]) -> np.ndarray:
        """Exact draws from q, (n, C) uint8."""
        rng = np.random.default_rng(seed)
        states = np.empty((len(self.factors.cards), chains), dtype=np.uint8)
        for v, unary in enumerate(self._unaries):
            below = np.cumsum(np.exp(unary))[:-1]
            states[v] = np.searchsorted(below, rng.random(chains), side="right")
        return states


def _fill(factors: Factors, f: int) -> np.ndarray:
    table = factors.log_tables[f]
    finite = np.isfinite(table)
    if not finite.any():
        names = ", ".join(repr(factors.name(v)) for v in factors.scopes[f])
        raise EvidenceError(
            f"Impossible evidence: no state of ({names}) is left with "
            f"{factors.describe_evidence() or 'the tables as they are'}."
        )
    return np.where(finite, table, table[finite].min())
