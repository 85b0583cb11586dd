"""Maximum likelihood of a Markov network by gradients: data moments minus model moments.

The gradient of the log likelihood in a log table is the (expected) counts of its cells in the
data minus the number of rows times the model's marginal (Ackley, Hinton & Sejnowski 1985). The
marginals come from an oracle: exact elimination, or belief propagation, whose gradient is that
of the Bethe approximation.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from probgen.errors import OptionError
from probgen.learn.fit import Learned, Problem
from probgen.learn.networks.em import ENGINES
from probgen.learn.networks.expectations import Expectations
from probgen.learn.networks.gauge import zero_sum
from probgen.learn.networks.log_linear import Parameters, maximise, start_tables
from probgen.targets.factors import condition

__all__ = ["GradientMLE", "check_settings", "excluded_note"]


@dataclass(frozen=True)
class GradientMLE:
    """Maximum (penalised) likelihood of the log tables of a Markov network.

    Complete data or data with holes: then the objective is that of the observed values, and may
    have several maxima. Impossible cells (-inf) of declared tables stay so. Without a penalty, a
    cell that never occurs in complete data has no finite maximum; it gets probability zero,
    which is the limit, and a note says so. The tables are handed back in zero-sum gauge (see
    `probgen.learn.networks.gauge`) unless there is a penalty.

    The group `history` has the objective (nats per row) over iterations.

    Attributes
    ----------
    l2: precision of a normal prior on every log table entry; the penalty is l2 / 2 times the sum
        of squares, against the log likelihood of all rows.
    engine: which marginal oracle: "exact", "belief_propagation", or "auto".
    iterations: the most iterations of L-BFGS.
    tolerance: largest difference (per row) between the moments of data and model at convergence.

    """

    name: ClassVar[str] = "GradientMLE"
    learns: ClassVar[str] = "parameters"
    wants: ClassVar[str] = "undirected"
    needs_oracle: ClassVar[bool] = True

    l2: float = 0.0
    engine: str = "auto"
    iterations: int = 1000
    tolerance: float = 1e-7

    def __post_init__(self) -> None:
        """Check the settings."""
        check_settings(self.l2, self.iterations, self.tolerance)
        if self.engine not in ENGINES:
            raise OptionError(f"engine={self.engine!r}: choose one of {', '.join(ENGINES)}.")

    def learn(self, problem: Problem) -> Learned:
        """Climb. Raises `DataError` when the data are impossible under declared zeros."""
        started = time.perf_counter()
        # A table without variables is a constant, which no likelihood depends on.
        problem = _without_constants(problem)
        skeleton = problem.skeleton
        assert skeleton is not None
        likelihood = _Likelihood(problem, self.l2)
        begin = time.perf_counter()
        best = maximise(
            likelihood, likelihood.start, self.iterations, self.tolerance, problem.report
        )
        tables = likelihood.parameters.unpack(best.vector)
        if self.l2 == 0:
            tables = zero_sum(skeleton.scopes, tables)
        penalty = self.l2 / 2 * float(best.vector @ best.vector)
        converged = best.gradient <= self.tolerance
        notes = excluded_note(likelihood.excluded)
        if not converged:
            notes.append(
                f"The climb stopped ({best.message}) with a moment {best.gradient:.2g} off per "
                "row; a separable data set has no finite maximum: try l2=1."
            )
        summary: dict[str, Any] = {
            "log_likelihood": best.objective * problem.table.size + penalty,
            "penalty": penalty,
            "gradient": best.gradient,
            "iterations": best.iterations,
            "evaluations": best.evaluations,
            "converged": converged,
            "oracle": self.engine,
            "seconds": time.perf_counter() - started,
            "seconds_climbing": time.perf_counter() - begin,
            "notes": notes,
        }
        return Learned(skeleton.network(tables), {"history": best.history}, summary)


class _Likelihood:
    """Penalised log likelihood per row (nats) and its gradient."""

    def __init__(self, problem: Problem, l2: float) -> None:
        skeleton, table = problem.skeleton, problem.table
        assert skeleton is not None
        assert problem.oracle is not None
        self.skeleton, self.oracle, self.l2 = skeleton, problem.oracle, l2
        self.rows = table.size
        self.expectations = Expectations(skeleton, table, problem.oracle)
        tables = start_tables(skeleton.scopes, table.cards.tolist(), skeleton.start)
        self.expectations.evaluate(tables)  # refuses rows that the declared zeros forbid
        masks = [np.isfinite(t) for t in tables]
        self.excluded = 0
        if l2 == 0 and table.complete:
            seen = [fixed > 0 for fixed in self.expectations.fixed]
            self.excluded = sum(int((m & ~s).sum()) for m, s in zip(masks, seen, strict=True))
            masks = [m & s for m, s in zip(masks, seen, strict=True)]
        self.parameters = Parameters(masks)
        self.start = self.parameters.pack(tables)

    def __call__(self, vector: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and gradient at a parameter vector."""
        tables = self.parameters.unpack(vector)
        clamped, counts = self.expectations.evaluate(tables)
        log_z, marginals = self.oracle(condition(self.skeleton.network(tables)))
        value = clamped / self.rows - log_z - self.l2 / 2 / self.rows * float(vector @ vector)
        moments = [c / self.rows - m for c, m in zip(counts, marginals, strict=True)]
        gradient = self.parameters.pack(moments) - self.l2 / self.rows * vector
        return value, gradient


def _without_constants(problem: Problem) -> Problem:
    skeleton = problem.skeleton
    assert skeleton is not None
    kept = [k for k, scope in enumerate(skeleton.scopes) if scope]
    start = skeleton.start
    smaller = replace(
        skeleton,
        scopes=tuple(skeleton.scopes[k] for k in kept),
        children=tuple(skeleton.children[k] for k in kept),
        start=None if start is None else tuple(start[k] for k in kept),
    )
    return replace(problem, skeleton=smaller)


def excluded_note(excluded: int) -> list[str]:
    """What to tell about cells that the data exclude."""
    if not excluded:
        return []
    return [
        f"{excluded} cells of the tables never occur in the data: their maximum likelihood "
        "is probability zero. A penalty (l2=1) keeps them possible."
    ]


def check_settings(l2: float, iterations: int, tolerance: float) -> None:
    """Refuse settings out of range (`OptionError`)."""
    if not 0 <= l2 < np.inf:
        raise OptionError(f"l2={l2!r}: must be a number of at least 0.")
    if not isinstance(iterations, int) or iterations < 1:
        raise OptionError(f"iterations={iterations!r}: must be a positive integer.")
    if not 0 < tolerance < np.inf:
        raise OptionError(f"tolerance={tolerance!r}: must be positive.")
