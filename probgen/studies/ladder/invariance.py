"""Rung: exact draws of a target stay exact after some transitions.

Thousands of chains start at independent exact draws, with the step size and metric that a warm-up
has learnt, and make a few transitions. What they end at is a fresh sample of independent draws,
so that the tests need no effective sample size: every uniform number is tested by Kolmogorov and
Smirnov, and for its mean, spread and dependence on its neighbour.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import kolmogorov, ndtr

from probgen.studies.ladder.exact_targets import functions_of, standard_errors
from probgen.studies.ladder.outcome import Outcome
from probgen.studies.ladder.target_run import (
    density_for,
    exact_starts,
    run_from,
    run_on,
    uniforms_of,
)
from probgen.studies.ladder.targets import ExactTarget

__all__ = ["RUNG", "climb", "smallest_p"]

RUNG = "invariance"
LEVEL = 1e-4
TRANSITIONS = 4
TOGETHER = 500  # chains of one run


def climb(method: Any, target: ExactTarget, seed: int, chains: int) -> Outcome:
    """Learn, start `chains` exact draws, and test where they end."""
    density = density_for(target)
    learnt = run_on(method, density, draws=1, warmup=500, seed=seed)
    starts = exact_starts(target, density, chains, seed)
    parts = []
    for k in range(0, chains, TOGETHER):
        result = run_from(
            method, density, starts[k : k + TOGETHER], draws=TRANSITIONS, seed=seed + 1 + k,
            learnt=learnt.adaptation,
        )  # fmt: skip
        parts.append(result.unconstrained[:, -1])
    ends = np.concatenate(parts)
    if (ends == starts).all():
        return Outcome(RUNG, target.name, False, note="no chain moved")
    uniform = uniforms_of(target, density, ends)
    if not np.isfinite(uniform).all():
        return Outcome(RUNG, target.name, False, note="draws are not finite")
    p = smallest_p(uniform)
    return Outcome(RUNG, target.name, p >= LEVEL, p, f"p >= {LEVEL:g}")


def smallest_p(uniform: np.ndarray) -> float:
    """Smallest p-value, after Bonferroni, of independent draws (n, k) being uniform."""
    count = len(uniform)
    ordered = np.sort(uniform, axis=0)
    steps = np.arange(count + 1)[:, None] / count
    distance = np.maximum(np.abs(ordered - steps[1:]), np.abs(ordered - steps[:-1])).max(axis=0)
    values, truth, sd = functions_of(uniform[None])
    errors = standard_errors(values, truth, sd, np.full(len(truth), float(count)))
    p_values = np.concatenate([kolmogorov(np.sqrt(count) * distance), 2 * ndtr(-errors)])
    return float(min(1.0, p_values.min() * len(p_values)))
