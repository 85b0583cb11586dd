"""A calibrated junction tree, and what can be asked of it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from probgen.errors import BuildError, OptionError, TooLargeError
from probgen.inference.graphical.elimination.conflict import impossible_evidence
from probgen.inference.graphical.elimination.memory import check_size
from probgen.inference.graphical.elimination.native_tree import NativeTree
from probgen.inference.graphical.elimination.numpy_tree import (
    NumpyTree,
    marginalise,
    view_tables,
)
from probgen.inference.graphical.elimination.plan import EliminationPlan, plan_elimination
from probgen.inference.graphical.method import Marginals, state_offsets
from probgen.inference.graphical.native.library import build_together
from probgen.targets.factors import Factors

__all__ = ["JunctionTree", "calibrate", "factor_marginals"]

SLICE = 2**14
"""Draws made at a time."""
MOST_STATES = 2**16


@dataclass(frozen=True, eq=False)
class JunctionTree:
    """Exact posterior probabilities of every clique of a junction tree.

    Attributes
    ----------
    factors: what was asked about.
    plan: the tree's structure.
    tree: its calibrated tables.
    seconds_order, seconds_calibrate: what it took.

    """

    factors: Factors
    plan: EliminationPlan
    tree: NativeTree | NumpyTree
    seconds_order: float
    seconds_calibrate: float

    @property
    def log_z(self) -> float:
        """Log partition function (log evidence of a Bayesian network), nats, constant included."""
        return self.tree.log_z

    @property
    def engine(self) -> str:
        """ "native" or "numpy"."""
        return "native" if isinstance(self.tree, NativeTree) else "numpy"

    @property
    def domain(self) -> str:
        """ "linear" or "log", of the messages."""
        return self.tree.domain

    def marginals(self) -> Marginals:
        """Probabilities of the states of every free variable."""
        offsets = state_offsets(self.factors.cards)
        return Marginals(offsets, self.tree.marginals(offsets))

    def factor_marginals(self) -> list[np.ndarray]:
        """Posterior of each factor's variables, over its scope: d log Z / d its log table."""
        flat = self.tree.factor_marginals()
        parts = np.split(flat, self.factors.flat.table_offsets[1:-1])
        tables = zip(parts, self.factors.log_tables, strict=False)
        return [part.reshape(table.shape) for part, table in tables]

    def sample(self, count: int, seed: int, threads: int = 1) -> np.ndarray:
        """Independent draws of all free variables: (count, n), uint8, or uint16 if need be.

        The same seed gives the same draws, however many are asked for and by any threads.
        Raises `TooLargeError` for a variable with more states than a draw can hold.
        """
        if count == 0:
            return self.tree.draw(0, 0, 0)
        cards = self.factors.cards
        if cards.max(initial=0) > MOST_STATES:
            raise TooLargeError(
                f"{self.factors.name(int(cards.argmax()))!r} has {cards.max()} states; draws hold "
                f"up to {MOST_STATES}. Ask for marginals only (draws=0)."
            )
        key = _key(seed)
        slices = [(k, min(SLICE, count - k)) for k in range(0, count, SLICE)]
        if threads == 1 or len(slices) == 1:
            parts = [self.tree.draw(first, size, key) for first, size in slices]
        else:
            with ThreadPoolExecutor(threads) as pool:
                parts = list(pool.map(lambda part: self.tree.draw(part[0], part[1], key), slices))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def clique(self, variables: Sequence[int]) -> np.ndarray:
        """Joint probabilities of free variables that share a clique, axes as they are named.

        Raises `OptionError` when no clique holds them all; `joint_marginal` serves any set.
        """
        sizes = np.diff(self.plan.table_offsets)
        holding = [
            k for k, clique in enumerate(self.plan.cliques) if set(variables) <= set(clique)
        ]
        if not holding:
            names = [self.factors.name(v) for v in variables]
            raise OptionError(f"No clique holds all of {names}; use joint_marginal.")
        k = min(holding, key=lambda k: sizes[k])
        table = view_tables(self.plan, self.tree.tables)[k]
        return np.ascontiguousarray(marginalise(table, self.plan.cliques[k], tuple(variables)))


def calibrate(factors: Factors, memory: float | None = None) -> JunctionTree:
    """Exact inference: sums over the whole joint, through a junction tree.

    `memory` is the most to use, in GB; by default half of what is available. Raises
    `TooLargeError` before anything is allocated, and `EvidenceError` when the evidence is
    impossible.
    """
    build_together("elimination_order.cpp", "junction_tree.cpp")
    started = time.perf_counter()
    plan = plan_elimination(factors)
    check_size(plan, factors, memory)
    ordered = time.perf_counter()
    tree: NativeTree | NumpyTree
    try:
        tree = NativeTree.calibrate(plan, factors)
    except BuildError:
        tree = NumpyTree.calibrate(plan, factors)
    if tree.log_z == -np.inf:
        raise impossible_evidence(factors)
    finished = time.perf_counter()
    return JunctionTree(factors, plan, tree, ordered - started, finished - ordered)


def factor_marginals(
    factors: Factors, memory: float | None = None
) -> tuple[float, list[np.ndarray]]:
    """Log partition function (nats) and the posterior over each factor's scope."""
    tree = calibrate(factors, memory)
    return tree.log_z, tree.factor_marginals()


def _key(seed: int) -> int:
    """64 bits from any integer."""
    return int.from_bytes(hashlib.sha256(str(int(seed)).encode()).digest()[:8], "little")
