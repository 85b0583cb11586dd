"""Draws of a fitted guide, and how far they may be trusted: by their importance ratios.

Yao, Vehtari, Simpson & Gelman (2018), "Yes, but did it work?"; the importance-weighted bound is
that of Burda, Grosse & Salakhutdinov (2016).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from probgen.inference.optimise.importance import (
    log_mean,
    notes_on_k,
    smoothed,
    weighted_rows,
)
from probgen.inference.variational.guides.base import Guide
from probgen.targets.batch import BatchedDensity

__all__ = ["IW_DRAWS", "Judged", "draw_and_judge", "judge"]

IW_DRAWS = 100
"""Draws in every estimate of the importance-weighted bound."""
_BLOCK = 256
"""Draws made from one stream of random numbers, so that more draws begin with the same ones."""


@dataclass(frozen=True)
class Judged:
    """Draws (n, dim) with log densities (n,), and what they say of the guide."""

    x: np.ndarray
    lp: np.ndarray
    """Of the posterior, nats, not normalised; -inf where it is not finite."""
    log_q: np.ndarray
    summary: dict[str, Any]
    notes: list[str]


def draw_and_judge(
    guide: Guide, batch: BatchedDensity, count: int, seed: int, resample: bool
) -> Judged:
    """`count` draws of `guide`, judged by `judge`."""
    x, log_q = _drawn(guide, count, seed)
    values = batch.value_and_grad(torch.from_numpy(x))[0].cpu().numpy() if count else np.empty(0)
    return judge(x, values, log_q, seed, resample)


def judge(x: np.ndarray, lp: np.ndarray, log_q: np.ndarray, seed: int, resample: bool) -> Judged:
    """Draws x (n, dim) with log densities (n,), resampled by importance if wanted, and a summary:

    `pareto_k`; `importance_ess`; `elbo` and `iw_elbo` of `IW_DRAWS` draws, each with its Monte
    Carlo error, in nats; `log_evidence_importance`.
    """
    count = len(x)
    lp = np.where(np.isnan(lp), -np.inf, lp)
    if not count:
        return Judged(x, lp, log_q, {}, [])
    ratios = lp - log_q
    weights, k = smoothed(ratios)
    summary: dict[str, Any] = {
        "pareto_k": k,
        "importance_ess": float(1 / np.sum(weights**2)),
        "log_evidence_importance": log_mean(ratios),
        **_bounds(ratios),
    }
    notes = notes_on_k(k, "SVI")
    lost = int((~np.isfinite(ratios)).sum())
    if lost:
        notes.append(
            f"{lost} of {count} draws of the guide lie where the posterior has no density."
        )
    if resample:
        rows = weighted_rows(weights, count, np.random.default_rng([seed % 2**64, 0x5E1]))
        x, lp, log_q = x[rows], lp[rows], log_q[rows]
    return Judged(x, lp, log_q, summary, notes)


def _drawn(guide: Guide, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws in blocks, each with a stream of its own."""
    found = [np.empty((0, guide.dim))], [np.empty(0)]
    with torch.no_grad():
        for block in range(math.ceil(count / _BLOCK)):
            stream = np.random.default_rng([seed % 2**64, block, 0xD7A]).integers(2**63)
            z, log_q = guide.rsample(_BLOCK, torch.Generator().manual_seed(int(stream)))
            found[0].append(z.numpy())
            found[1].append(log_q.numpy())
    return np.concatenate(found[0])[:count], np.concatenate(found[1])[:count]


def _bounds(ratios: np.ndarray) -> dict[str, Any]:
    """The ELBO and the importance-weighted bound; -inf where a draw has no density."""
    with np.errstate(invalid="ignore"):
        found = {"elbo": float(ratios.mean()), "elbo_error": _error(ratios)}
    groups = len(ratios) // IW_DRAWS
    if groups:
        rows = ratios[: groups * IW_DRAWS].reshape(groups, IW_DRAWS)
        each = np.array([log_mean(row) for row in rows])
        found |= {"iw_elbo": float(each.mean()), "iw_elbo_error": _error(each)}
        found["iw_elbo_draws"] = IW_DRAWS
    return found


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan
