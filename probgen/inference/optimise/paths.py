"""One Pathfinder path: the best normal approximation met while climbing to a mode.

Zhang, Carpenter, Gelman & Vehtari (2022), "Pathfinder: parallel quasi-Newton variational
inference", JMLR 23, algorithms 1 to 4. Normals far from the mode have too much curvature or
none, those at a mode of high dimension or skewness sit beside the mass: the evidence lower bound
chooses among all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from probgen.inference.optimise.lbfgs import Ascent
from probgen.inference.optimise.normal import LowRankNormal
from probgen.inference.optimise.objective import Objective, Place

__all__ = ["Path", "find_path"]

PATIENCE = 100
"""Iterations without a better bound after which a climb is given up."""


@dataclass(frozen=True)
class Path:
    """The outcome of one climb. `normal` is None when no approximation had a finite bound."""

    normal: LowRankNormal | None
    bound: float
    """Evidence lower bound of `normal`, nats, by Monte Carlo."""
    best_iteration: int
    iterations: int
    outcome: str
    end: Place


def find_path(
    objective: Objective,
    start: np.ndarray,
    rng: np.random.Generator,
    *,
    pairs: int,
    bound_draws: int,
    iterations: int,
    tolerance: float = 1e-8,
) -> Path:
    """Climb from `start` and keep the normal of the largest evidence lower bound."""
    ascent = Ascent(objective, start, pairs=pairs, tolerance=tolerance, iterations=iterations)
    best, best_bound, best_iteration = None, -np.inf, 0
    seen = None
    while not ascent.outcome:
        ascent.step()
        if ascent.curvature.pairs == 0 or ascent.curvature is seen:
            continue
        seen = ascent.curvature
        normal = LowRankNormal.at(ascent.place, ascent.curvature)
        if normal is None:
            continue
        bound = _evidence_bound(objective, normal, rng, bound_draws)
        if bound > best_bound:
            best, best_bound, best_iteration = normal, bound, ascent.iterations
        if ascent.iterations - best_iteration > PATIENCE:
            break
    outcome = ascent.outcome or "unfinished"
    return Path(best, best_bound, best_iteration, ascent.iterations, outcome, ascent.place)


def _evidence_bound(
    objective: Objective, normal: LowRankNormal, rng: np.random.Generator, draws: int
) -> float:
    """Mean of log density minus log approximation over draws of the approximation."""
    x = normal.coloured(rng.standard_normal((draws, normal.mean.size)))
    return float(np.mean(objective.values(x) - normal.log_density(x)))
