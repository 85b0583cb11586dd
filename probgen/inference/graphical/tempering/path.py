"""The path from independent variables to a network, for tempering and annealing.

At position s of the path a state has the unnormalised log density
    (1 - s) log q(x) + s E(x) + log(1 - s) V(x),
with q a product of independent, normalised distributions, E the sum of the log tables with their
zeros filled, and V the number of zeros that x hits. All states are possible on the way, and those
of probability zero fade out towards its end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from probgen.errors import BuildError, OptionError
from probgen.inference.graphical.blocks.support import impossible
from probgen.inference.graphical.method import state_offsets
from probgen.inference.graphical.sweeps.engine import open_sweeper
from probgen.inference.graphical.sweeps.log_joint import LogJoint
from probgen.inference.graphical.sweeps.native import NativeModel
from probgen.inference.graphical.sweeps.protocol import Sweeps
from probgen.inference.graphical.sweeps.sweeper import TABLE_BUDGET, Sweeper
from probgen.targets.factors import Factors

__all__ = ["Path", "Statistics"]

_MERGE = 256
"""Entries up to which tables are merged: more makes sweeps faster and each position slower."""


def _fading(s: float) -> float:
    """Log weight of each zero that a state hits at position s < 1."""
    return math.log1p(-s)


@dataclass(frozen=True, eq=False)
class Statistics:
    """What the path needs to know of states: gain = E - log q (nats), and zeros hit."""

    gain: np.ndarray
    zeros: np.ndarray

    def step(self, start: float, stop: float) -> np.ndarray:
        """Log density at `stop` less that at `start` < 1."""
        change = (stop - start) * self.gain
        if stop >= 1:
            return np.where(self.zeros > 0, -np.inf, change)
        return change + (_fading(stop) - _fading(start)) * self.zeros


@dataclass(frozen=True, eq=False)
class Path:
    """The path that ends at `factors` and begins at independent variables.

    base: log probabilities of every state of every variable under q, flat, normalised.
    """

    factors: Factors
    base: np.ndarray

    def __post_init__(self) -> None:
        """Refuse factors without a possible state; raises `EvidenceError`."""
        for scope, table in zip(self.factors.scopes, self.factors.log_tables, strict=True):
            if not np.isfinite(table).any():
                raise impossible(self.factors, scope[0], scope)

    @property
    def state_type(self) -> type:
        """Of states: uint8, or uint16 for more than 256."""
        return np.uint8 if max(self.factors.cards, default=1) <= 256 else np.uint16

    @cached_property
    def offsets(self) -> np.ndarray:
        """Where each variable's states begin in `base`."""
        return state_offsets(self.factors.cards)

    @property
    def engine(self) -> str:
        """What makes the sweeps: "native" or "torch"."""
        return self._network_sweeps[0].name

    @property
    def notes(self) -> list[str]:
        """What the user should know of the engine."""
        note = self._network_sweeps[1]
        return [note] if note else []

    def sweeper(self, s: float) -> Sweeps:
        """Gibbs sweeps that leave the density at position s invariant."""
        if s >= 1:
            return self._network_sweeps[0]
        filled, impossible = self._flat_tables
        own = (1 - s) * self.base
        tables = np.concatenate([s * filled + _fading(s) * impossible, own])
        if self._pattern is None:
            from probgen.inference.graphical.sweeps.torch_sweeps import TorchSweeper

            return TorchSweeper(replace(self._extended, log_tables=self._shaped(tables)))
        # Colours and merging do not depend on the tables; only these are built anew.
        sweeper = copy(self._pattern)
        flat = replace(self._extended.flat, log_tables=tables)
        merge = self._pattern.native.merge
        sweeper.native = NativeModel(flat, sweeper.order, merge, TABLE_BUDGET, True)
        return sweeper

    def statistics(self, states: np.ndarray) -> Statistics:
        """Of `states` (..., n, C): (..., C) each."""
        gain = self._gain(states)
        zeros = np.zeros_like(gain) if self._zeros is None else self._zeros(states)
        return Statistics(gain, zeros)

    def draw_base(self, chains: int, seed: Sequence[int]) -> np.ndarray:
        """Exact draws from q, (n, C)."""
        rng = np.random.default_rng(seed)
        states: np.ndarray = np.empty((len(self.factors.cards), chains), self.state_type)
        for v, (a, b) in enumerate(pairwise(self.offsets)):
            below = np.cumsum(np.exp(self.base[a:b]))[:-1]
            states[v] = np.searchsorted(below, rng.random(chains), side="right")
        return states

    @property
    def has_zeros(self) -> bool:
        """Whether some states are impossible."""
        return bool(self._flat_tables[1].any())

    @cached_property
    def _network_sweeps(self) -> tuple[Sweeps, str]:
        """Sweeps at the network itself, where zeros need blocks, and a note on the engine."""
        single, note = open_sweeper(self.factors)
        if not self.has_zeros:
            return single, note
        from probgen.inference.graphical.blocks.plan import plan_blocks
        from probgen.inference.graphical.gibbs import with_blocks

        blocks = plan_blocks(self.factors)
        if not blocks.blocks:
            return single, note
        return with_blocks(self.factors, blocks, lambda part: open_sweeper(part)[0]), note

    @cached_property
    def _pattern(self) -> Sweeper | None:
        try:
            return Sweeper(self._extended, merge=_MERGE)
        except (BuildError, OptionError):
            return None

    @cached_property
    def _extended(self) -> Factors:
        """The factors and one of a single variable for each, which holds q."""
        factors = self.factors
        own = tuple((v,) for v in range(len(factors.cards)))
        return replace(
            factors,
            scopes=factors.scopes + own,
            log_tables=factors.log_tables
            + tuple(self.base[a:b] for a, b in pairwise(self.offsets)),
            children=factors.children + (None,) * len(own),
            log_constant=0.0,
        )

    @cached_property
    def _flat_tables(self) -> tuple[np.ndarray, np.ndarray]:
        """The tables with zeros filled by the least finite entry, and where the zeros are."""
        filled, impossible = [np.zeros(0)], [np.zeros(0)]
        for table in self.factors.log_tables:
            finite = np.isfinite(table)
            filled.append(np.where(finite, table, table[finite].min()).ravel())
            impossible.append(np.where(finite, 0.0, 1.0).ravel())
        return np.concatenate(filled), np.concatenate(impossible)

    def _shaped(self, tables: np.ndarray) -> tuple[np.ndarray, ...]:
        shapes = [table.shape for table in self._extended.log_tables]
        cuts = self._extended.flat.table_offsets
        return tuple(
            tables[a:b].reshape(shape)
            for (a, b), shape in zip(pairwise(cuts), shapes, strict=True)
        )

    @cached_property
    def _gain(self) -> LogJoint:
        tables = np.concatenate([self._flat_tables[0], -self.base])
        return LogJoint(replace(self._extended, log_tables=self._shaped(tables)))

    @cached_property
    def _zeros(self) -> LogJoint | None:
        factors = self.factors
        hit = [f for f, table in enumerate(factors.log_tables) if np.isneginf(table).any()]
        if not hit:
            return None
        return LogJoint(
            replace(
                factors,
                scopes=tuple(factors.scopes[f] for f in hit),
                log_tables=tuple(np.where(np.isfinite(factors.log_tables[f]), 0.0, 1.0)
                                 for f in hit),
                children=(None,) * len(hit),
                log_constant=0.0,
            )
        )  # fmt: skip
