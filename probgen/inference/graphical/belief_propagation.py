"""Loopy belief propagation: approximate marginals, log evidence and modes by local messages.

Sum-product (Pearl 1988) gives marginals and the Bethe approximation of the log evidence
(Yedidia, Freeman & Weiss 2005), max-product a mode; both are exact on trees. The work of a sweep
is proportional to the size of the tables, whatever the width of the network.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from probgen.errors import BuildError, OptionError
from probgen.inference.graphical.message_convergence import (
    Convergence,
    MessageEngine,
    PassingSettings,
    pass_messages,
)
from probgen.inference.graphical.message_graph import MessageGraph, message_graph
from probgen.inference.graphical.message_merge import marginal_onto
from probgen.inference.graphical.message_native import SCHEDULES, open_messages
from probgen.inference.graphical.message_numpy import NumpyMessages
from probgen.inference.graphical.method import GraphPlan, GraphResult, Marginals
from probgen.targets.factors import Factors

__all__ = ["BeliefPropagation", "factor_marginals"]

_IMPROVING_SWEEPS = 1000


@dataclass(frozen=True)
class BeliefPropagation:
    """Belief propagation on the factor graph.

    Args:
        mode: "sum" for marginals and the Bethe approximation of the log evidence; "max" for a
            most probable configuration, handed back as the one draw with its `log_joint`; its
            marginals are max-marginals, scaled to sum to one.
        damping: weight of the old message (in nats) in each update, from 0 to below 1. It is
            raised by itself, with a note, when messages oscillate.
        schedule: "sequential" goes along a breadth-first order of the factors and back, "residual"
            lets the variable with the largest news speak first, "flooding" updates all at once.
        iterations: most sweeps; a sweep updates every factor once.
        tolerance: the largest change of a message (its largest number is 1) that counts as none.

    Raises `OptionError` for values out of range; `run` raises `EvidenceError` when messages prove
    that the evidence is impossible.

    Example:
        >>> BeliefPropagation(damping=0.5)
        BeliefPropagation(mode='sum', damping=0.5, schedule='sequential', iterations=2000, \
tolerance=1e-06)
    """

    mode: str = "sum"
    damping: float = 0.0
    schedule: str = "sequential"
    iterations: int = 2000
    tolerance: float = 1e-6
    name: ClassVar[str] = "BeliefPropagation"
    serves: ClassVar[tuple[str, ...]] = ("factors",)
    defaults: ClassVar[dict[str, int]] = {"chains": 1, "draws": 0, "warmup": 0}

    def __post_init__(self) -> None:
        """Validate the settings."""
        if self.mode not in ("sum", "max"):
            raise OptionError(f"BeliefPropagation(mode={self.mode!r}): use 'sum' or 'max'.")
        if self.schedule not in SCHEDULES:
            raise OptionError(
                f"BeliefPropagation(schedule={self.schedule!r}): use one of {SCHEDULES}."
            )
        if not 0 <= self.damping < 1:
            raise OptionError(
                f"BeliefPropagation(damping={self.damping!r}): it must be at least 0 and less "
                "than 1; 0.5 is usual where messages oscillate."
            )
        if isinstance(self.iterations, bool) or not isinstance(self.iterations, int):
            raise OptionError(f"BeliefPropagation(iterations={self.iterations!r}): no integer.")
        if self.iterations < 1:
            raise OptionError(
                f"BeliefPropagation(iterations={self.iterations}): at least one sweep is needed."
            )
        if not self.tolerance > 0:
            raise OptionError(f"BeliefPropagation(tolerance={self.tolerance!r}): not positive.")

    def run(self, factors: Factors, plan: GraphPlan) -> GraphResult:
        """Pass messages until they stand still; `plan` matters only for its progress."""
        started = time.perf_counter()
        graph = message_graph(factors)
        engine, notes = open_engine()
        messages = graph.uniform_messages()
        convergence = pass_messages(engine, graph, messages, self._settings, plan.progress)
        beliefs, _, log_partition = engine.beliefs(graph, messages, with_factors=False)
        marginals = Marginals(offsets=graph.state_offsets, probabilities=beliefs)
        summary: dict[str, Any] = {
            "engine": engine.engine,
            "iterations": convergence.iterations,
            "residual": convergence.residual,
            "converged": convergence.converged,
            "damping": convergence.damping,
            "factor_updates": convergence.iterations * graph.factor_count,
            "exact": graph.is_forest and convergence.converged,
        }
        notes += self._remarks(convergence)
        result = GraphResult(marginals=marginals, summary=summary)
        if self.mode == "sum":
            summary["log_evidence"] = log_partition
            summary["log_evidence_is"] = (
                "exact (the factor graph is a forest)"
                if summary["exact"]
                else "Bethe approximation"
            )
        else:
            notes += self._add_mode(result, graph, engine, messages)
        summary["seconds_inference"] = time.perf_counter() - started
        summary["notes"] = notes
        return result

    @property
    def _settings(self) -> PassingSettings:
        return PassingSettings(
            self.mode == "max", self.schedule, self.damping, self.iterations, self.tolerance
        )

    def _remarks(self, convergence: Convergence) -> list[str]:
        notes = []
        if convergence.damping > self.damping:
            notes.append(
                f"Messages oscillated, so the damping was raised from {self.damping:g} to "
                f"{convergence.damping:g}."
            )
        if not convergence.converged:
            notes.append(
                f"Belief propagation did not converge: after {convergence.iterations} sweeps "
                f"messages still change by {convergence.residual:.2g}. Its numbers are no fixed "
                "point; compare with Gibbs or Exact, or give more iterations."
            )
        return notes

    def _add_mode(
        self, result: GraphResult, graph: MessageGraph, engine: MessageEngine, messages: np.ndarray
    ) -> list[str]:
        """Decode a configuration into `result`; sentences about it."""
        decoded = engine.decode(graph, messages)
        states = engine.improve(graph, decoded, _IMPROVING_SWEEPS)
        log_joint = float(graph.factors.log_joint(states.astype(np.int64)))
        kind = np.uint8 if graph.cards.max(initial=1) <= 256 else np.uint16
        result.states = states.astype(kind)[None, None]
        result.stats["log_joint"] = np.array([[log_joint]])
        result.summary["log_joint"] = log_joint
        result.summary["improved_variables"] = int((states != decoded).sum())
        if log_joint == -np.inf:
            return [
                "The decoded configuration is impossible: max-product found none that all "
                "tables allow. Use MAP, or parallel tempering."
            ]
        return []


def factor_marginals(
    factors: Factors, settings: PassingSettings | None = None
) -> tuple[float, list[np.ndarray]]:
    """Approximate marginals of the variables of each factor, by sum-product.

    Returns the Bethe approximation of the log evidence (nats, the constant included) and one
    table of probabilities per factor, axes as in `factors.scopes`. At a fixed point the tables
    are the gradient of the former with respect to the log tables. Raises `EvidenceError`.
    """
    graph = message_graph(factors)
    engine, _ = open_engine()
    messages = graph.uniform_messages()
    pass_messages(engine, graph, messages, settings or PassingSettings())
    _, beliefs, log_partition = engine.beliefs(graph, messages, with_factors=True)
    if beliefs is None or not factors.scopes:
        return log_partition, []
    merged = graph.factors
    parts = np.split(beliefs, graph.table_offsets[1:-1])
    tables = [p.reshape(t.shape) for p, t in zip(parts, merged.log_tables, strict=True)]
    return log_partition, [
        marginal_onto(tables[host], merged.scopes[host], scope)
        for host, scope in zip(graph.hosts, factors.scopes, strict=True)
    ]


def open_engine() -> tuple[MessageEngine, list[str]]:
    """Native code, or numpy and a sentence about why."""
    try:
        return open_messages(), []
    except BuildError as error:
        return NumpyMessages(), [f"Messages are passed by numpy, flooding: {error}"]
