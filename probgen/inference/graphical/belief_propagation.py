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
from probgen.inference.graphical.messages.convergence import (
    Convergence,
    MessageEngine,
    PassingSettings,
    pass_messages,
)
from probgen.inference.graphical.messages.graph import MessageGraph, message_graph
from probgen.inference.graphical.messages.merge import marginal_onto
from probgen.inference.graphical.messages.native_engine import SCHEDULES, open_messages
from probgen.inference.graphical.messages.numpy_engine import NumpyMessages
from probgen.inference.graphical.method import GraphPlan, GraphResult, Marginals
from probgen.targets.factors import Factors

__all__ = ["BeliefPropagation", "factor_marginals"]

_IMPROVING_SWEEPS = 1000
_SAME_POINT = 1e-2  # nats between Bethe log evidences that are taken for the same


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
        starts: on graphs with loops, so many starts (the first from messages that say nothing);
            the fixed point of the largest Bethe approximation, or the most probable
            configuration, is kept.

    Raises `OptionError` for values out of range; `run` raises `EvidenceError` when messages prove
    that the evidence is impossible.

    Example:
        >>> BeliefPropagation(damping=0.5)
        BeliefPropagation(mode='sum', damping=0.5, schedule='sequential', iterations=2000, \
tolerance=1e-06, starts=4)
    """

    mode: str = "sum"
    damping: float = 0.0
    schedule: str = "sequential"
    iterations: int = 2000
    tolerance: float = 1e-6
    starts: int = 4
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
        for option in ("iterations", "starts"):
            value = getattr(self, option)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise OptionError(
                    f"BeliefPropagation({option}={value!r}): it must be a positive integer."
                )
        if not self.tolerance > 0:
            raise OptionError(f"BeliefPropagation(tolerance={self.tolerance!r}): not positive.")

    def run(self, factors: Factors, plan: GraphPlan) -> GraphResult:
        """Pass messages until they stand still; `plan` gives the seed of further starts."""
        started = time.perf_counter()
        graph = message_graph(factors)
        engine, notes = open_engine()
        rng = np.random.default_rng(plan.seed % 2**128)
        fits = []
        for start in range(1 if graph.is_forest else self.starts):
            messages = graph.random_messages(rng) if start else graph.uniform_messages()
            fits.append(self._fit(engine, graph, messages, plan))
        best = max(fits, key=_Fit.rank)
        convergence = best.convergence
        exact = graph.is_forest and convergence.converged
        summary: dict[str, Any] = {
            "engine": engine.engine,
            "iterations": convergence.iterations,
            "residual": convergence.residual,
            "converged": convergence.converged,
            "damping": convergence.damping,
            "starts": len(fits),
            "factor_updates": sum(fit.convergence.iterations for fit in fits) * graph.factor_count,
            "exact": exact,
        }
        if self.mode == "sum":
            told = "exact (the factor graph is a forest)" if exact else "Bethe approximation"
            summary |= {"log_evidence": best.score, "log_evidence_is": told}
        else:
            summary |= {"log_joint": best.score, "improved_variables": best.improved}
        summary["seconds_inference"] = time.perf_counter() - started
        summary["notes"] = [*notes, *remarks(fits, best, self.damping)]
        result = GraphResult(Marginals(graph.state_offsets, best.beliefs), summary=summary)
        if best.states is not None:
            kind = np.uint8 if graph.cards.max(initial=1) <= 256 else np.uint16
            result.states = best.states.astype(kind)[None, None]
            result.stats["log_joint"] = np.array([[best.score]])
        return result

    def _fit(
        self, engine: MessageEngine, graph: MessageGraph, messages: np.ndarray, plan: GraphPlan
    ) -> _Fit:
        settings = PassingSettings(
            self.mode == "max", self.schedule, self.damping, self.iterations, self.tolerance
        )
        convergence = pass_messages(engine, graph, messages, settings, plan.progress)
        beliefs, _, log_partition = engine.beliefs(graph, messages, with_factors=False)
        if self.mode == "sum":
            return _Fit(convergence, beliefs, log_partition)
        decoded = engine.decode(graph, messages)
        states = engine.improve(graph, decoded, _IMPROVING_SWEEPS)
        log_joint = float(graph.factors.log_joint(states.astype(np.int64)))
        return _Fit(convergence, beliefs, log_joint, states, int((states != decoded).sum()))


@dataclass(frozen=True, eq=False)
class _Fit:
    """Where messages came to from one start; `score` is a log partition or a log joint."""

    convergence: Convergence
    beliefs: np.ndarray
    score: float
    states: np.ndarray | None = None
    improved: int = 0

    def rank(self) -> tuple[bool, float]:
        """Best is the most probable state, or the fixed point of the largest Bethe value.

        Away from a fixed point that value means nothing, so the smallest change decides.
        """
        if self.states is not None:
            return True, self.score
        converged = self.convergence.converged
        return converged, self.score if converged else -self.convergence.residual


def remarks(fits: list[_Fit], best: _Fit, damping: float) -> list[str]:
    """Sentences about oscillation, missing convergence, several fixed points, impossible modes."""
    notes, convergence = [], best.convergence
    if convergence.damping > damping:
        notes.append(
            f"Messages oscillated, so the damping was raised from {damping:g} to "
            f"{convergence.damping:g}."
        )
    if not convergence.converged:
        notes.append(
            f"Belief propagation did not converge: after {convergence.iterations} sweeps "
            f"messages still change by {convergence.residual:.2g}. Its numbers are no fixed "
            "point; compare with Gibbs or Exact, or give more iterations."
        )
    points = [fit.score for fit in fits if fit.states is None and fit.convergence.converged]
    if points and max(points) - min(points) > _SAME_POINT:
        notes.append(
            f"There are several fixed points, with Bethe log evidences from {min(points):.6g} to "
            f"{max(points):.6g}; the largest was kept. The posterior may have several modes, of "
            "which belief propagation sees one: compare with Gibbs or parallel tempering."
        )
    if best.states is not None and best.score == -np.inf:
        notes.append(
            "The decoded configuration is impossible: max-product found none that all tables "
            "allow. Use MAP, or parallel tempering."
        )
    return notes


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
