"""Draws of several normal approximations at once, with their importance weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from probgen.inference.optimise.importance import smoothed
from probgen.inference.optimise.normal import Normal, log_mixture
from probgen.inference.optimise.objective import Objective

__all__ = ["Candidates", "draw_candidates"]


@dataclass(frozen=True)
class Candidates:
    """Draws (n, dim), in turn of one normal after the other."""

    x: np.ndarray
    lp: np.ndarray
    """Log density of the posterior, nats, -inf where it is not finite."""
    log_q: np.ndarray
    """Log density of the normals' mixture in equal parts."""
    source: np.ndarray
    """Which normal each comes from."""
    weights: np.ndarray
    """Pareto-smoothed importance weights against the mixture; they sum to one."""
    k: float
    k_by_source: list[float]
    """Pareto k of the mixture's ratios, and of each normal's own."""


def draw_candidates(
    objective: Objective, normals: Sequence[Normal], each: int, rng: np.random.Generator
) -> Candidates:
    """`each` draws of every one of `normals`, weighed against their mixture."""
    dim = normals[0].mean.size
    noise = rng.standard_normal((len(normals), each, dim))
    # One normal after another in turn, so that any first rows hold all of them in equal parts.
    draws = [normal.coloured(z) for normal, z in zip(normals, noise, strict=True)]
    x = np.stack(draws, axis=1).reshape(-1, dim)
    source = np.tile(np.arange(len(normals)), each)
    lp, log_q = objective.values(x), log_mixture(normals, x)
    weights, k = smoothed(lp - log_q)
    own = []
    for i, normal in enumerate(normals):
        mine = source == i
        own.append(smoothed(lp[mine] - normal.log_density(x[mine]))[1])
    return Candidates(x, lp, log_q, source, weights, k, own)
