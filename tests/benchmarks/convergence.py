"""Effective sample sizes, R-hat and means of a tool's draws, by the same code for all tools.

ArviZ's rank-normalised estimators (Vehtari et al. 2021), over every coordinate of every site.
"""

from dataclasses import dataclass

import numpy as np
from arviz_stats.base import array_stats

_AXES = {"chain_axis": 0, "draw_axis": 1}


@dataclass(frozen=True)
class Convergence:
    """The worst coordinate's ESS and R-hat; means and their Monte Carlo errors of all."""

    ess_bulk: float
    ess_tail: float
    rhat: float
    means: list[float]
    errors: list[float]


def convergence(draws: dict[str, np.ndarray]) -> Convergence:
    """Summarise draws by site, each of shape (chain, draw, ...)."""
    flat = np.concatenate(
        [np.reshape(site, (*site.shape[:2], -1)) for site in draws.values()], axis=-1
    )
    tail = array_stats.ess(flat, method="tail", prob=(0.05, 0.95), **_AXES)
    return Convergence(
        ess_bulk=float(np.min(array_stats.ess(flat, method="bulk", **_AXES))),
        ess_tail=float(np.min(tail)),
        rhat=float(np.max(array_stats.rhat(flat, **_AXES))),
        means=flat.mean(axis=(0, 1)).tolist(),
        errors=array_stats.mcse(flat, **_AXES).tolist(),
    )


def largest_z(first: list[dict], second: list[dict]) -> float:
    """Largest |difference of means| over all coordinates, in Monte Carlo standard errors.

    Each argument is a tool's records, one per seed, which are averaged.
    """
    mean_1, variance_1 = _pooled(first)
    mean_2, variance_2 = _pooled(second)
    return float(np.max(np.abs(mean_1 - mean_2) / np.sqrt(variance_1 + variance_2)))


def _pooled(records: list[dict]) -> tuple[np.ndarray, np.ndarray]:
    means = np.array([record["means"] for record in records])
    errors = np.array([record["errors"] for record in records])
    return means.mean(axis=0), np.square(errors).sum(axis=0) / len(records) ** 2
