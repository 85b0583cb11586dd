"""Rung: Geweke's (2004) joint distribution test, "Getting it right", JASA 99:799-804.

Parameters and data are drawn in turn: data given the parameters, then parameters by a transition
of the method given the data. If the transition is right, the pairs are draws of the joint
distribution, whose moments are known. The density is a plain Python function, so that this is
also the rung of a method's engine for densities without native code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import ndtr

from probgen.studies.ladder.exact_targets import effective_sizes, functions_of, standard_errors
from probgen.studies.ladder.outcome import Outcome
from probgen.studies.ladder.target_run import run_from, run_on

__all__ = ["RUNG", "climb"]

RUNG = "joint distribution"
TARGET = "normal, unknown mean and scale"
SIGMAS = 5.0
LEAST_ESS = 50
SPREAD = 0.4  # prior sd of the log scale


@dataclass
class _Posterior:
    """Log density of mean and log scale of normal data: prior N(0, 1) x N(0, SPREAD^2)."""

    data: np.ndarray
    dim: int = 2
    native: None = None
    coordinate_names: list[str] = field(default_factory=lambda: ["mean", "log_scale"])

    def value_and_grad(self, q: np.ndarray) -> tuple[float, np.ndarray]:
        """Log density (nats) at (mean, log scale), and its gradient."""
        with np.errstate(all="ignore"):
            mean, log_scale = np.asarray(q, dtype=float)
            z = (self.data - mean) * np.exp(-log_scale)
            squares = z @ z
            value = -0.5 * (mean**2 + (log_scale / SPREAD) ** 2 + squares) - len(z) * log_scale
            by_mean = -mean + z.sum() * np.exp(-log_scale)
            by_scale = -log_scale / SPREAD**2 + squares - len(z)
        return float(value), np.array([by_mean, by_scale])


def climb(method: Any, seed: int, steps: int, observations: int = 2) -> Outcome:
    """`steps` alternations; every parameter and datum as uniform numbers, and their pairs."""
    rng = np.random.default_rng([seed, steps])
    position = np.array([rng.standard_normal(), SPREAD * rng.standard_normal()])
    density = _Posterior(_data(position, observations, rng))
    learnt = run_on(method, density, draws=1, warmup=300, seed=seed, chains=1)
    rows = np.empty((steps, 2 + observations))
    for step in range(steps):
        density.data = _data(position, observations, rng)
        result = run_from(
            method, density, position[None], draws=1, seed=int(rng.integers(2**31)),
            learnt=learnt.adaptation, threads=1,
        )  # fmt: skip
        position = result.unconstrained[0, -1]
        noise = (density.data - position[0]) * np.exp(-position[1])
        rows[step] = [position[0], position[1] / SPREAD, *noise]
    # Data given the parameters before the transition, as seen from those after it: normal again.
    values, truth, sd = functions_of(ndtr(rows)[None])
    ess = effective_sizes(values)
    errors = standard_errors(values, truth, sd, ess)
    if ess.min() < LEAST_ESS:
        note = f"the parameters hardly move: ESS {ess.min():.0f}"
        return Outcome(RUNG, TARGET, None, float(ess.min()), f">= {LEAST_ESS} ESS", note)
    worst = float(errors.max())
    return Outcome(RUNG, TARGET, worst <= SIGMAS, worst, f"<= {SIGMAS:g} standard errors")


def _data(position: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    return position[0] + np.exp(position[1]) * rng.standard_normal(count)
