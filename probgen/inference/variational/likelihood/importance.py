"""Log-likelihoods by importance-weighted draws of a guide.

Burda, Grosse & Salakhutdinov (2016), "Importance weighted autoencoders": the log of the mean of
p(x, z) / q(z | x) over k draws is on average below log p(x), and rises with k.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from probgen.declare.environment import isolated
from probgen.errors import OptionError
from probgen.inference.optimise.importance import TRUSTED, smoothed
from probgen.inference.variational.likelihood.cases import Cases
from probgen.inference.variational.likelihood.result import CaseLikelihood

__all__ = ["ImportanceWeighted", "weighted_likelihood"]

_ROWS = 1 << 13
"""Rows that the program is given at a time."""
_LOOKED_AT = 1000
"""Cases whose Pareto k is found: each costs a millisecond."""


@dataclass(frozen=True)
class ImportanceWeighted:
    """IW-k: log-likelihoods of cases by weighted draws of a program's own guide.

    Args:
        draws: of the guide for every case (k).

    Raises `OptionError` for a number out of range.

    Example:
        >>> ImportanceWeighted(draws=1000)
        ImportanceWeighted(draws=1000)
    """

    draws: int = 200
    name: ClassVar[str] = "ImportanceWeighted"

    def __post_init__(self) -> None:
        """Validate."""
        if not isinstance(self.draws, int) or isinstance(self.draws, bool) or self.draws < 1:
            raise OptionError(
                f"ImportanceWeighted(draws={self.draws!r}): it must be an integer of at least 1."
            )


@torch.no_grad()
def weighted_likelihood(cases: Cases, method: ImportanceWeighted, seed: int) -> CaseLikelihood:
    """The IW-k bound of every case; the same draws for one seed, whatever the number of cases."""
    started, count, k = time.perf_counter(), len(cases), method.draws
    weights = np.empty((count, k))
    per_block = max(1, _ROWS // k)
    copies = min(k, _ROWS)
    with cases.running(), isolated(seed % 2**32):
        for start in range(0, count, per_block):
            numbers = torch.arange(start, min(start + per_block, count))
            for first in range(0, k, copies):
                some = min(copies, k - first)
                found = cases.log_weights(cases.batch(numbers, some))
                block = found.reshape(some, len(numbers)).T.cpu().numpy()
                weights[start : start + len(numbers), first : first + some] = block
    return of_weights(weights, method, time.perf_counter() - started)


def of_weights(weights: np.ndarray, method: ImportanceWeighted, seconds: float) -> CaseLikelihood:
    """What log weights (case, draw) say."""
    count, k = weights.shape
    log_means, errors, ess = log_mean_rows(weights)
    pareto_k = np.full(count, np.nan)
    for case in np.unique(np.linspace(0, count - 1, min(count, _LOOKED_AT)).astype(int)):
        pareto_k[case] = smoothed(weights[case])[1]
    found = CaseLikelihood(
        cases=log_means,
        method=method.name,
        bound="below on average",
        errors=errors,
        ess=ess,
        pareto_k=pareto_k,
        elbo=weights.mean(1),
        settings={"draws": k},
        seconds=seconds,
    )
    notes = []
    if k == 1:
        notes.append("One draw per case is the ELBO: its error is not known. Take more draws.")
    if found.untrusted > 0:
        notes.append(
            f"Pareto k is above {TRUSTED} in {found.untrusted:.0%} of the cases: their values lie "
            "further below the truth than their errors say. Take more draws, or "
            "AnnealedImportance()."
        )
    return CaseLikelihood(**{**vars(found), "notes": tuple(notes)})


def log_mean_rows(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of log weights (case, draw): logs of the mean weights, errors, effective numbers."""
    k = weights.shape[1]
    top = weights.max(axis=1, keepdims=True)
    safe = np.where(np.isfinite(top), top, 0.0)
    plain = np.exp(weights - safe)
    sums = plain.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_means = safe[:, 0] + np.log(sums) - math.log(k)
        ess = np.where(sums > 0, sums**2 / np.square(plain).sum(axis=1), 0.0)
        relative = np.maximum(k / ess - 1, 0.0)
    errors = np.sqrt(relative / (k - 1)) if k > 1 else np.full(len(top), np.nan)
    return log_means, errors, ess
