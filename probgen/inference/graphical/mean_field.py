"""Naive mean field: the best product of independent distributions, and its lower bound.

Coordinate ascent on the evidence lower bound (Jordan et al. 1999; Wainwright & Jordan 2008) from
several starts, with annealing: the logarithms grow from a tenth to their full size.

A product of independent distributions that puts mass on a state of probability zero has the
bound -inf. Zeros therefore begin as a finite penalty, which grows until every variable keeps
only states that meet no forbidden combination.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from probgen.errors import BuildError, InitialisationError, OptionError, SamplingError
from probgen.inference.graphical.belief_propagation import BeliefPropagation
from probgen.inference.graphical.blocks.start import starting_states
from probgen.inference.graphical.messages.expectation import (
    ExpectationEngine,
    NativeExpectation,
    NumpyExpectation,
    Splitting,
)
from probgen.inference.graphical.messages.graph import aligned, message_graph
from probgen.inference.graphical.method import GraphPlan, GraphResult, Marginals
from probgen.targets.factors import Factors

__all__ = ["MeanField"]

_POWERS = np.geomspace(0.1, 1.0, 10)
_PENALTIES = (5.0, 10.0, 20.0, 40.0, 80.0)
_SWEEPS_PER_STEP = 3
_NO_MASS = 1e-6
"""Probabilities below this become zero before zeros of the tables count in full."""


@dataclass(frozen=True)
class MeanField:
    """Naive mean field by coordinate ascent.

    `log_evidence` of the result is a lower bound. Marginals of strongly coupled variables are
    too certain, or those of one mode only: compare with `BeliefPropagation` or `Gibbs`.

    Args:
        restarts: number of starts; the best bound wins.
        annealing: whether each start begins with weakened factors.
        iterations: most sweeps per start, the annealing apart.
        tolerance: the largest change of a probability that counts as none.

    Raises `OptionError` for values out of range; `run` raises `ModelError` when every state is
    impossible, and `SamplingError` when no product distribution was found that avoids all
    impossible states.

    Example:
        >>> MeanField(restarts=3)
        MeanField(restarts=3, annealing=True, iterations=1000, tolerance=1e-08)
    """

    restarts: int = 5
    annealing: bool = True
    iterations: int = 1000
    tolerance: float = 1e-8
    name: ClassVar[str] = "MeanField"
    serves: ClassVar[tuple[str, ...]] = ("factors",)
    defaults: ClassVar[dict[str, int]] = {"chains": 1, "draws": 0, "warmup": 0}

    def __post_init__(self) -> None:
        """Validate the settings."""
        for option in ("restarts", "iterations"):
            value = getattr(self, option)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise OptionError(f"MeanField({option}={value!r}): it must be a positive integer.")
        if not self.tolerance > 0:
            raise OptionError(f"MeanField(tolerance={self.tolerance!r}): it must be positive.")

    def run(self, factors: Factors, plan: GraphPlan) -> GraphResult:
        """Ascend from all starts; `plan` gives the seed and hears of the progress."""
        started = time.perf_counter()
        tables = Splitting.of(message_graph(factors))
        engine, notes = _open_engine()
        rng = np.random.default_rng(plan.seed % 2**128)
        fits: list[_Fit] = []
        for start in range(self.restarts):
            beliefs = _start(tables, rng, concentrated=start > 0)
            fits.append(self._ascend(engine, tables, beliefs))
            if plan.progress:
                highest = max(fit.bound for fit in fits)
                plan.progress(start + 1, self.restarts, f"best bound {highest:.6g}")
        best = max(fits, key=lambda fit: fit.bound)
        if best.bound == -np.inf:
            best = self._from_mode(engine, tables, factors, plan)
            notes.append(
                "Every start ended on impossible states; the result was reached from a "
                "possible configuration."
            )
        if not best.converged:
            notes.append(
                f"Mean field did not converge in {self.iterations} sweeps; its bound holds, but "
                "more iterations would raise it."
            )
        bounds = [fit.bound + tables.graph.log_scale for fit in fits]
        summary = {
            "engine": engine.engine,
            "log_evidence": best.bound + tables.graph.log_scale,
            "log_evidence_is": "lower bound",
            "log_evidence_of_starts": [b if np.isfinite(b) else None for b in bounds],
            "iterations": best.sweeps,
            "residual": best.change,
            "converged": best.converged,
            "variable_updates": sum(fit.sweeps for fit in fits) * len(factors.free),
            "seconds_inference": time.perf_counter() - started,
            "notes": notes,
        }
        offsets = tables.graph.state_offsets
        return GraphResult(Marginals(offsets, best.beliefs), summary=summary)

    def _ascend(self, engine: ExpectationEngine, tables: Splitting, beliefs: np.ndarray) -> _Fit:
        zeros, sweeps = bool(tables.has_zeros.any()), 0
        stages = [(power, _PENALTIES[0]) for power in _POWERS[:-1]] if self.annealing else []
        stages += [(1.0, penalty) for penalty in _PENALTIES] if zeros else []
        for power, penalty in stages:
            sweeps += len(
                engine.ascend(
                    tables, beliefs, power=power, penalty=penalty,
                    sweeps=_SWEEPS_PER_STEP, tolerance=self.tolerance,
                )
            )  # fmt: skip
        if zeros:
            _harden(tables, beliefs)
        return self._finish(engine, tables, beliefs, sweeps)

    def _finish(
        self, engine: ExpectationEngine, tables: Splitting, beliefs: np.ndarray, sweeps: int
    ) -> _Fit:
        change, done = np.inf, 0
        while done < self.iterations and change >= self.tolerance:
            changes = engine.ascend(
                tables, beliefs, power=1.0, penalty=np.inf,
                sweeps=min(tables.graph.sweeps_per_call, self.iterations - done),
                tolerance=self.tolerance,
            )  # fmt: skip
            done += len(changes)
            change = float(changes[-1])
        bound = engine.bound(tables, beliefs).value
        return _Fit(beliefs, bound, sweeps + done, change, change < self.tolerance)

    def _from_state(
        self, engine: ExpectationEngine, tables: Splitting, states: np.ndarray
    ) -> _Fit:
        beliefs = aligned(np.zeros(tables.graph.state_offsets[-1]))
        beliefs[tables.graph.state_offsets[:-1] + states] = 1.0
        return self._finish(engine, tables, beliefs, 0)

    def _from_mode(
        self, engine: ExpectationEngine, tables: Splitting, factors: Factors, plan: GraphPlan
    ) -> _Fit:
        """Ascend from one possible state: the one of max-product, or any that search finds."""
        found = BeliefPropagation(mode="max").run(factors, plan)
        if found.states is not None and found.summary["log_joint"] > -np.inf:
            return self._from_state(engine, tables, found.states[0, 0])
        try:
            return self._from_state(engine, tables, starting_states(factors, 1, plan.seed)[:, 0])
        except InitialisationError:
            pass
        raise SamplingError(
            f"MeanField found no product of independent distributions without mass on impossible "
            f"states of {factors.network.title!r}, from {self.restarts} starts: its tables hold "
            f"{int(tables.forbidden.sum())} zeros. Use Exact, BeliefPropagation or Gibbs, or more "
            "restarts."
        )


@dataclass(frozen=True)
class _Fit:
    beliefs: np.ndarray
    bound: float
    sweeps: int
    change: float
    converged: bool


def _start(tables: Splitting, rng: np.random.Generator, *, concentrated: bool) -> np.ndarray:
    """Random distributions: nearly uniform ones, or Dirichlet(1)."""
    graph = tables.graph
    weights = rng.standard_gamma(1.0, int(graph.state_offsets[-1]))
    if not concentrated:
        weights = 1 + 0.01 * weights
    return _normalised(tables, weights)


def _harden(tables: Splitting, beliefs: np.ndarray) -> None:
    """Probabilities that were meant to vanish do so, in place."""
    beliefs[beliefs < _NO_MASS] = 0.0
    beliefs[:] = _normalised(tables, beliefs)


def _normalised(tables: Splitting, weights: np.ndarray) -> np.ndarray:
    if weights.size == 0:
        return weights
    offsets = tables.graph.state_offsets
    sums = np.add.reduceat(weights, offsets[:-1])
    return aligned(weights / np.repeat(sums, np.diff(offsets)))


def _open_engine() -> tuple[ExpectationEngine, list[str]]:
    try:
        return NativeExpectation(), []
    except BuildError as error:
        return NumpyExpectation(), [f"Mean field runs in numpy: {error}"]
