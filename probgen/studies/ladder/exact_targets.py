"""Rung: draws of exact targets have the right moments, within their Monte Carlo error.

Of every uniform number u that a draw is mapped to, the means of u, (u - 1/2)^2 and of "u in a
tail" are compared with the truth; a product of normal scores looks at every neighbouring pair.
An error counts in standard errors, by the effective sample size of that very function, so that a
chain that hardly moves does not fail for it; it must move, though (`LEAST_ESS`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from arviz_stats.base import array_stats
from scipy.special import ndtri

from probgen.studies.ladder.outcome import Outcome
from probgen.studies.ladder.target_run import density_for, run_on, uniforms_of
from probgen.studies.ladder.targets import ExactTarget

__all__ = ["RUNG", "climb", "functions_of", "standard_errors"]

RUNG = "exact target"
SIGMAS = 5.0
LEAST_ESS, ENOUGH_ESS = 100, 4000
BIAS = 0.1
"""Error, in standard deviations, that the draws of an unadjusted method may have besides."""
TAIL = 0.05


def climb(method: Any, target: ExactTarget, seed: int, most_draws: int) -> Iterator[Outcome]:
    """Draw, with more draws until they say enough, and compare."""
    density = density_for(target)
    draws = 1000
    while True:
        result = run_on(method, density, draws=draws, warmup=1000, seed=seed)
        uniform = uniforms_of(target, density, result.unconstrained)
        if not np.isfinite(uniform).all():
            yield Outcome(RUNG, target.name, False, note="draws are not finite")
            return
        values, truth, sd = functions_of(uniform)
        ess = effective_sizes(values)
        if ess.min() >= ENOUGH_ESS or draws >= most_draws:
            break
        draws *= 4
    if ess.min() < LEAST_ESS:
        note = f"the draws hardly move: ESS {ess.min():.0f}, at least {LEAST_ESS} is needed"
        passed = None if target.hard else False
        yield Outcome(RUNG, target.name, passed, float(ess.min()), f">= {LEAST_ESS} ESS", note)
        return
    yield _judged(target, values, truth, sd, ess, result.summary)


def functions_of(uniform: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Functions of uniform numbers (chain, draw, k), with their means and standard deviations.

    Returns (function, chain, draw), (function,), (function,).
    """
    centred = uniform - 0.5
    columns = [centred, centred**2, np.abs(centred) > 0.5 - TAIL / 2]
    truths = [(0.0, 12**-0.5), (1 / 12, 180**-0.5), (TAIL, (TAIL * (1 - TAIL)) ** 0.5)]
    if uniform.shape[-1] > 1:
        scores = ndtri(np.clip(uniform, 1e-15, 1 - 1e-15))
        columns.append(scores[..., 1:] * scores[..., :-1])
        truths.append((0.0, 1.0))
    values = np.concatenate([np.moveaxis(c, -1, 0) for c in columns]).astype(float)
    counts = [c.shape[-1] for c in columns]
    mean, sd = (np.repeat(column, counts) for column in zip(*truths, strict=True))
    return values, mean, sd


def effective_sizes(values: np.ndarray) -> np.ndarray:
    """ESS of the mean of every function (function, chain, draw); 1 where it never changes."""
    with np.errstate(all="ignore"):
        ess = np.asarray(array_stats.ess(values, method="mean"), dtype=float)
    return np.where((np.ptp(values, axis=(1, 2)) > 0) & np.isfinite(ess), ess, 1.0)


def standard_errors(
    values: np.ndarray, truth: np.ndarray, sd: np.ndarray, ess: np.ndarray, bias: float = 0.0
) -> np.ndarray:
    """How far each mean is from the truth, less the `bias` allowed, in standard errors."""
    distance = np.abs(values.mean(axis=(1, 2)) - truth) / sd
    return np.maximum(distance - bias, 0) * np.sqrt(ess)


def _judged(
    target: ExactTarget, values: np.ndarray, truth: np.ndarray, sd: np.ndarray, ess: np.ndarray,
    summary: dict[str, Any],
) -> Outcome:  # fmt: skip
    unadjusted, approximate = summary.get("unadjusted"), summary.get("approximation")
    errors = standard_errors(values, truth, sd, ess, BIAS if unadjusted else 0.0)
    worst = float(errors.max())
    bound, note = f"<= {SIGMAS:g} standard errors", ""
    if unadjusted:
        bound = f"<= {BIAS:g} sd + {SIGMAS:g} standard errors"
        off = float((np.abs(values.mean(axis=(1, 2)) - truth) / sd).max())
        note = f"unadjusted: off by {off:.2g} sd at most"
    passed: bool | None = bool(worst <= SIGMAS)
    if approximate and not target.normal and not passed:
        passed, note = None, "an approximation, which is exact for normal targets only"
    return Outcome(RUNG, target.name, passed, worst, bound, note)
