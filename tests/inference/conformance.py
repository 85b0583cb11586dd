"""What every sampler must pass: moments of known targets, within Monte Carlo error.

`check_moments` compares means and variances with the truth at five standard errors, and asks
for a least effective sample size, so that a chain that hardly moves cannot pass either.
`run` makes a plan and calls a method; `conforms` does both for one target.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from arviz_stats.base import array_stats

from probgen.inference.method import DensityLike, Draws, Method, Plan
from tests.inference.targets import Target

SIGMAS = 5.0


def check_moments(
    draws: np.ndarray,
    mean: Any,
    sd: Any,
    *,
    kurtosis: Any = None,
    min_ess: float = 400,
    sigmas: float = SIGMAS,
) -> None:
    """Raise AssertionError unless `draws` (chain, draw, k) have these means and deviations.

    The error of a variance follows from the `kurtosis`; without it from the draws, which will
    not do for few draws of a long tail: where the tail is missed, so is its share of the error.
    """
    assert np.isfinite(draws).all(), "draws are not finite"
    mean, sd = np.asarray(mean, dtype=float), np.asarray(sd, dtype=float)
    squares = (draws - mean) ** 2
    deviation = squares.std(axis=(0, 1))
    if kurtosis is not None:
        deviation = sd**2 * np.sqrt(np.asarray(kurtosis) - 1)
    _check("mean", draws, mean, sd, min_ess, sigmas)
    _check("variance", squares, sd**2, deviation, min_ess, sigmas)


def _check(what: str, values: np.ndarray, truth: np.ndarray, sd: np.ndarray,
           min_ess: float, sigmas: float) -> None:  # fmt: skip
    ess = effective_sample_size(values)
    assert (ess >= min_ess).all(), f"ESS of the {what}: {ess}, at least {min_ess} is needed"
    errors = (values.mean(axis=(0, 1)) - truth) / (sd / np.sqrt(ess))
    assert (np.abs(errors) < sigmas).all(), f"{what} off by {errors} standard errors"


def effective_sample_size(draws: np.ndarray) -> np.ndarray:
    """Effective sample size of the mean of every coordinate of `draws` (chain, draw, k)."""
    columns = [draws[..., k] for k in range(draws.shape[-1])]
    return np.array(
        [
            array_stats.ess(column, chain_axis=0, draw_axis=1, method="mean")
            if np.ptp(column) > 0
            else 1.0
            for column in columns
        ],
        dtype=float,
    )


def make_plan(density: DensityLike, *, chains: int = 4, draws: int = 1000, warmup: int = 1000,
              seed: int = 1, initial: Any = None, **others: Any) -> Plan:  # fmt: skip
    """A plan that starts as `infer` does, uniformly between -2 and 2, or at `initial`."""
    if initial is None:
        initial = np.random.default_rng(seed).uniform(-2, 2, (chains, density.dim))
    else:
        initial = np.broadcast_to(np.asarray(initial, dtype=float), (chains, density.dim))
    return Plan(chains=chains, draws=draws, warmup=warmup, seed=seed, initial=initial, **others)


def run(method: Method, density: DensityLike, **plan: Any) -> Draws:
    """Draw from `density` with `method`; keywords as in `make_plan`."""
    return method.run(density, make_plan(density, **plan))


def conforms(method: Method, target: Target, density: DensityLike, *, min_ess: float = 400,
             **plan: Any) -> Draws:  # fmt: skip
    """Draw, check the moments of what the target observes, and return the draws."""
    result = run(method, density, **plan)
    check_moments(
        target.observe(result.unconstrained),
        target.mean,
        target.sd,
        kurtosis=target.kurtosis,
        min_ess=min_ess,
    )
    return result
