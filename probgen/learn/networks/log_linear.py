"""The tables of a Markov network as one parameter vector, and its maximisation.

The log density is linear in the tables, so the likelihood of complete data is concave. Cells
that are impossible (-inf) are no parameters. The likelihood does not change along gauge
directions, and gradients are orthogonal to them, so L-BFGS never moves along them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

__all__ = ["Parameters", "maximise", "start_tables"]


@dataclass(frozen=True, eq=False)
class Parameters:
    """Which cells of which tables are parameters: one mask per table."""

    masks: Sequence[np.ndarray]

    def pack(self, tables: Sequence[np.ndarray]) -> np.ndarray:
        """The cells that are parameters, as a vector."""
        parts = [table[mask] for table, mask in zip(tables, self.masks, strict=True)]
        return np.concatenate([np.zeros(0), *parts])

    def unpack(self, vector: np.ndarray) -> list[np.ndarray]:
        """Tables with these parameters, -inf elsewhere."""
        tables, place = [], 0
        for mask in self.masks:
            table = np.full(mask.shape, -np.inf)
            size = int(mask.sum())
            table[mask] = vector[place : place + size]
            place += size
            tables.append(table)
        return tables


@dataclass(frozen=True, eq=False)
class Maximum:
    """Where the climb ended: parameters, objective, largest component of the gradient."""

    vector: np.ndarray
    objective: float
    gradient: float
    iterations: int
    evaluations: int
    message: str
    history: xr.Dataset


def start_tables(
    scopes: Sequence[tuple[int, ...]], cards: Sequence[int], start: Sequence[np.ndarray] | None
) -> list[np.ndarray]:
    """The declared tables, or zeros."""
    if start is not None:
        return [np.asarray(table, dtype=np.float64) for table in start]
    return [np.zeros([cards[v] for v in scope]) for scope in scopes]


def maximise(
    function: Callable[[np.ndarray], tuple[float, np.ndarray]],
    start: np.ndarray,
    iterations: int,
    tolerance: float,
    report: Callable[[int, int, str], None],
) -> Maximum:
    """Climb by L-BFGS until the largest component of the gradient is below `tolerance`.

    `function` gives value and gradient. Liu & Nocedal (1989), scipy's implementation.
    """
    from scipy.optimize import minimize

    values: list[float] = []
    slopes: list[float] = []

    def negative(vector: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = function(vector)
        return -value, -gradient

    def record(intermediate_result: Any) -> None:
        values.append(-float(intermediate_result.fun))
        slope = getattr(intermediate_result, "jac", None)
        slopes.append(np.nan if slope is None else float(np.abs(slope).max(initial=0)))
        report(len(values), iterations, f"objective {values[-1]:.6g}")

    options = {
        "maxiter": iterations, "maxfun": 20 * iterations, "maxcor": 20,
        "gtol": tolerance, "ftol": 0.0,
    }  # fmt: skip
    found = minimize(
        negative, start, jac=True, method="L-BFGS-B", callback=record, options=options
    )
    history = xr.Dataset(
        {"objective": ("iteration", np.array(values))},
        {"iteration": np.arange(1, len(values) + 1)},
    )
    return Maximum(
        found.x, -float(found.fun), float(np.abs(found.jac).max(initial=0)), int(found.nit),
        int(found.nfev), str(found.message), history,
    )  # fmt: skip
