"""The contract between `infer` and every engine for discrete networks.

A method is a value: a frozen dataclass with its settings, a `name`, `serves`, and
`run(factors, plan)`. It sees a network with its evidence put in, and returns states or
probabilities of the free variables by position; names and the DataTree are made elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np

from probgen.results.marginals import Marginals
from probgen.results.store.state import KernelState, Piece
from probgen.targets.factors import Factors

__all__ = ["GraphMethod", "GraphPlan", "GraphResult", "Marginals", "state_offsets"]


@dataclass(frozen=True)
class GraphPlan:
    """What `infer` asks of an engine."""

    chains: int
    draws: int
    warmup: int
    seed: int
    threads: int = 1
    progress: Callable[[int, int, str], None] | None = None
    """Called from the main thread a few times a second with (done, total, what is going on)."""
    keep: Callable[[Piece], None] | None = None
    """As in `probgen.inference.method.Plan`: a piece's `draws` are states (chain, draw, free
    variable); counts of states so far stand in its state's `adaptation`."""
    state: KernelState | None = None
    """As there."""


@dataclass
class GraphResult:
    """What an engine hands back."""

    marginals: Marginals
    states: np.ndarray | None = None
    """Draws, (chain, draw, free variable), uint8, or uint16 beyond 256 states; None from engines
    that do not sample."""
    stats: dict[str, np.ndarray] = field(default_factory=dict)
    """(chain, draw) each; `log_joint` (nats, unnormalised) wherever there are draws."""
    summary: dict[str, Any] = field(default_factory=dict)
    """JSON-able: `engine`, `seconds_...`, `log_evidence` (nats) and `log_evidence_error` where
    known, `converged` from iterative engines, `interrupted`, `notes` (sentences for the user)."""


class GraphMethod(Protocol):
    """An inference algorithm for discrete networks with its settings."""

    serves: ClassVar[tuple[str, ...]]
    """("factors",)."""
    defaults: ClassVar[dict[str, int]]
    """chains, draws, warmup when the user gives none; zeros for engines that do not sample."""

    @property
    def name(self) -> str:
        """Short name, as in `Gibbs`."""

    def run(self, factors: Factors, plan: GraphPlan) -> GraphResult:
        """Infer as `plan` says."""


def state_offsets(cards: np.ndarray) -> np.ndarray:
    """Where each variable's states begin in a flat vector of all states, int64 (n + 1,)."""
    return np.concatenate([[0], np.cumsum(cards)]).astype(np.int64)
