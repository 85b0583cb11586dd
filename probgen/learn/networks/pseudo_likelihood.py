"""Maximum pseudo-likelihood of a Markov network: no partition function (Besag 1975).

The objective is the sum over rows and variables of the log probability of the variable's state
given all others. It is concave in the log tables, consistent, costs one pass over the data, and
so serves networks that are too wide for exact likelihoods.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from probgen.errors import DataError
from probgen.learn.fit import Learned, Problem
from probgen.learn.networks.gauge import zero_sum
from probgen.learn.networks.gradient_mle import check_settings, excluded_note
from probgen.learn.networks.log_linear import Parameters, maximise, start_tables
from probgen.learn.networks.skeleton import Skeleton
from probgen.learn.networks.tables import check_complete
from probgen.learn.table import Table

__all__ = ["PseudoLikelihood"]


@dataclass(frozen=True)
class PseudoLikelihood:
    """Maximum (penalised) pseudo-likelihood of the log tables of a Markov network.

    Needs complete data. Zeros, gauge, penalty and history are those of `GradientMLE`.

    Attributes
    ----------
    l2: precision of a normal prior on every log table entry.
    iterations: the most iterations of L-BFGS.
    tolerance: largest component of the gradient (per row) at convergence.

    """

    name: ClassVar[str] = "PseudoLikelihood"
    learns: ClassVar[str] = "parameters"
    wants: ClassVar[str] = "undirected"
    needs_oracle: ClassVar[bool] = False

    l2: float = 0.0
    iterations: int = 1000
    tolerance: float = 1e-7

    def __post_init__(self) -> None:
        """Check the settings."""
        check_settings(self.l2, self.iterations, self.tolerance)

    def learn(self, problem: Problem) -> Learned:
        """Climb. Raises `DataError` when a value is missing or forbidden by declared zeros."""
        started = time.perf_counter()
        skeleton, table = problem.skeleton, problem.table
        assert skeleton is not None
        check_complete(table, self.name, "GradientMLE()")
        tables = start_tables(skeleton.scopes, table.cards.tolist(), skeleton.start)
        counts = [table.counts(scope) for scope in skeleton.scopes]
        _check_possible(skeleton, tables, counts)
        masks = [np.isfinite(t) for t in tables]
        excluded = 0
        if self.l2 == 0:
            excluded = sum(int((m & (c == 0)).sum()) for m, c in zip(masks, counts, strict=True))
            masks = [m & (c > 0) for m, c in zip(masks, counts, strict=True)]
        parameters = Parameters(masks)
        objective = _Objective(skeleton, table.distinct(), parameters, self.l2)
        best = maximise(
            objective, parameters.pack(tables), self.iterations, self.tolerance, problem.report
        )
        learned = parameters.unpack(best.vector)
        if self.l2 == 0:
            learned = zero_sum(skeleton.scopes, learned)
        penalty = self.l2 / 2 * float(best.vector @ best.vector)
        converged = best.gradient <= self.tolerance
        notes = excluded_note(excluded)
        if not converged:
            notes.append(
                f"The climb stopped ({best.message}) with gradient {best.gradient:.2g} per row; a "
                "separable data set has no finite maximum: try l2=1."
            )
        summary: dict[str, Any] = {
            "log_pseudo_likelihood": best.objective * table.size + penalty,
            "penalty": penalty,
            "gradient": best.gradient,
            "iterations": best.iterations,
            "evaluations": best.evaluations,
            "converged": converged,
            "seconds": time.perf_counter() - started,
            "notes": notes,
        }
        return Learned(skeleton.network(learned), {"history": best.history}, summary)


@dataclass(frozen=True, eq=False)
class _Slice:
    """Where a factor's cells lie for each row when one of its variables moves."""

    factor: int
    base: np.ndarray
    stride: int


class _Objective:
    """Penalised log pseudo-likelihood per row (nats) and its gradient."""

    def __init__(
        self, skeleton: Skeleton, table: Table, parameters: Parameters, l2: float
    ) -> None:
        self.parameters, self.l2 = parameters, l2
        self.table, self.rows = table, table.size
        self.cards = table.cards.tolist()
        self.slices: list[list[_Slice]] = [[] for _ in self.cards]
        for k, scope in enumerate(skeleton.scopes):
            self._add(k, scope)

    def _add(self, k: int, scope: tuple[int, ...]) -> None:
        strides = [1] * len(scope)
        for a in range(len(scope) - 2, -1, -1):
            strides[a] = strides[a + 1] * self.cards[scope[a + 1]]
        codes = self.table.codes
        whole = np.zeros(len(codes), dtype=np.int32)
        for v, stride in zip(scope, strides, strict=True):
            whole += stride * codes[:, v]
        for v, stride in zip(scope, strides, strict=True):
            self.slices[v].append(_Slice(k, whole - stride * codes[:, v], stride))

    def __call__(self, vector: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and gradient at a parameter vector."""
        tables = [table.ravel() for table in self.parameters.unpack(vector)]
        gradients = [np.zeros(table.size) for table in tables]
        value = 0.0
        for v, slices in enumerate(self.slices):
            value += self._variable(v, slices, tables, gradients)
        masks = self.parameters.masks
        shaped = [g.reshape(m.shape) for g, m in zip(gradients, masks, strict=True)]
        value = value / self.rows - self.l2 / 2 / self.rows * float(vector @ vector)
        return value, self.parameters.pack(shaped) / self.rows - self.l2 / self.rows * vector

    def _variable(
        self, v: int, slices: list[_Slice], tables: list[np.ndarray], gradients: list[np.ndarray]
    ) -> float:
        """Log probability of one variable given the others; adds to the gradients."""
        card, weights = self.cards[v], self.table.weights
        states = np.arange(card, dtype=np.int32)[:, None]
        places = [piece.base + piece.stride * states for piece in slices]
        logits = np.zeros((card, len(weights)))
        for piece, place in zip(slices, places, strict=True):
            logits += tables[piece.factor][place]
        logits -= logits.max(axis=0)
        shares = np.exp(logits)
        sums = shares.sum(axis=0)
        rows = np.arange(len(weights))
        seen = self.table.codes[:, v]
        value = float(weights @ (logits[seen, rows] - np.log(sums)))
        residuals = -weights * shares / sums
        residuals[seen, rows] += weights
        for piece, place in zip(slices, places, strict=True):
            gradient = gradients[piece.factor]
            gradient += np.bincount(place.ravel(), residuals.ravel(), gradient.size)
        return value


def _check_possible(
    skeleton: Skeleton, tables: list[np.ndarray], counts: list[np.ndarray]
) -> None:
    for scope, table, count in zip(skeleton.scopes, tables, counts, strict=True):
        if (count[table == -np.inf] > 0).any():
            told = ", ".join(repr(skeleton.names[v]) for v in scope)
            raise DataError(
                f"The data are impossible: a state of {told} that occurs has probability zero in "
                "the declared table."
            )
