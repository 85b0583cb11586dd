"""Passing messages until they stand still, with more damping where they oscillate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from probgen.inference.graphical.messages.graph import MessageGraph

__all__ = ["Convergence", "MessageEngine", "PassingSettings", "pass_messages"]

_LADDER = (0.5, 0.75, 0.9)
_WINDOW = 50
"""Sweeps after which progress is looked for."""


@dataclass(frozen=True)
class PassingSettings:
    """How messages are passed; see `BeliefPropagation`."""

    maximum: bool = False
    schedule: str = "sequential"
    damping: float = 0.0
    iterations: int = 2000
    tolerance: float = 1e-6


@dataclass(frozen=True)
class Convergence:
    """How it went: sweeps done, the last largest change, the damping at the end."""

    iterations: int
    residual: float
    converged: bool
    damping: float


class MessageEngine(Protocol):
    """What passes messages: native code or numpy."""

    @property
    def engine(self) -> str:
        """Its name in results."""

    def run(
        self,
        graph: MessageGraph,
        messages: np.ndarray,
        *,
        maximum: bool,
        schedule: str,
        damping: float,
        first: int,
        sweeps: int,
        tolerance: float,
    ) -> np.ndarray:
        """Pass messages in place; the largest change in each sweep."""

    def beliefs(
        self, graph: MessageGraph, messages: np.ndarray, *, with_factors: bool
    ) -> tuple[np.ndarray, np.ndarray | None, float]:
        """Beliefs of variables and factors, and the Bethe log partition function."""

    def decode(self, graph: MessageGraph, messages: np.ndarray) -> np.ndarray:
        """A configuration from max-product messages."""

    def improve(self, graph: MessageGraph, states: np.ndarray, sweeps: int) -> np.ndarray:
        """A configuration that no change of one variable improves."""


def pass_messages(
    engine: MessageEngine,
    graph: MessageGraph,
    messages: np.ndarray,
    settings: PassingSettings,
    progress: Callable[[int, int, str], None] | None = None,
) -> Convergence:
    """Pass messages in place until none changes by the tolerance, or the iterations are used up.

    When the largest change has not fallen for `_WINDOW` sweeps, the damping is raised.
    """
    damping, residuals, watched = settings.damping, np.zeros(0), 0
    while len(residuals) < settings.iterations:
        sweeps = min(graph.sweeps_per_call, settings.iterations - len(residuals))
        latest = engine.run(
            graph, messages, maximum=settings.maximum, schedule=settings.schedule,
            damping=damping, first=len(residuals), sweeps=sweeps, tolerance=settings.tolerance,
        )  # fmt: skip
        residuals = np.concatenate([residuals, latest])
        if latest[-1] < settings.tolerance:
            break
        if progress:
            said = f"largest change of a message {latest[-1]:.2g}"
            progress(len(residuals), settings.iterations, said)
        if len(residuals) - watched >= 2 * _WINDOW:
            if _stalls(residuals[-2 * _WINDOW :]):
                damping = next((step for step in _LADDER if step > damping), damping)
                watched = len(residuals)
            else:
                watched += _WINDOW
    residual = float(residuals[-1]) if len(residuals) else 0.0
    return Convergence(len(residuals), residual, residual < settings.tolerance, damping)


def _stalls(residuals: np.ndarray) -> bool:
    """Whether the second half brought nothing: messages oscillate rather than settle."""
    half = len(residuals) // 2
    return bool(residuals[half:].min() > 0.98 * residuals[:half].min())
