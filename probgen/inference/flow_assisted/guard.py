"""Whether a flow is good enough to sample through, by its importance ratios or by a trial."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from probgen.errors import ProbgenError
from probgen.inference.flow_assisted.pullback import PulledBack
from probgen.inference.method import DensityLike, Draws, Plan
from probgen.inference.optimise.importance import TRUSTED, smoothed
from probgen.inference.variational.guides.base import log_normal

__all__ = ["Verdict", "judge", "pareto_k"]

_RATIOS = 1000
_TRIAL_WARMUP, _TRIAL_DRAWS = 300, 200


@dataclass(frozen=True)
class Verdict:
    """What is known of a flow; `reason` is empty when it is used."""

    k: float
    """Pareto k of its importance ratios."""
    reason: str = ""
    evaluations: int = 0
    """Of the density, made to find out."""


def pareto_k(pulled: PulledBack, rng: np.random.Generator) -> float:
    """Pareto k of target against flow at 1000 draws of the flow; infinite if none is finite."""
    noise = torch.from_numpy(rng.standard_normal((_RATIOS, pulled.dim)))
    values, _ = pulled.traced.value_and_grad(noise)
    ratios = (values - log_normal(noise)).numpy()
    return smoothed(np.where(np.isnan(ratios), -np.inf, ratios))[1]


def judge(
    inner: Any, density: DensityLike, pulled: PulledBack, plan: Plan, starts: np.ndarray
) -> Verdict:
    """Whether to sample through the flow, from `starts` (chain, dim) of noise.

    Where Pareto k says that the flow has missed something, `inner` makes a short trial with and
    without it. The flow stays if it gives more effective draws per gradient for the worst
    coordinate, or if trajectories diverge less often.
    """
    k = pareto_k(pulled, np.random.default_rng([plan.seed % 2**64, 0x6A2]))
    if k <= TRUSTED:
        return Verdict(k, evaluations=_RATIOS)
    trial = replace(
        plan, draws=_TRIAL_DRAWS, warmup=_TRIAL_WARMUP, thin=1, keep=None, state=None, seen=None,
        progress=None, keep_warmup=False, adaptation=None,
    )  # fmt: skip
    through, evaluations = _tried(inner, pulled, replace(trial, initial=starts), pulled)
    plain, others = _tried(inner, density, trial)
    evaluations += others + _RATIOS
    if through.score >= plain.score or through.diverging < plain.diverging:
        return Verdict(k, evaluations=evaluations)
    reason = (
        f"Pareto k of the flow is {k:.2f}, and a trial gave {1000 * through.score:.3g} effective "
        f"draws per 1000 gradients through it and {1000 * plain.score:.3g} without it"
    )
    return Verdict(k, reason, evaluations)


@dataclass(frozen=True)
class _Trial:
    score: float
    """Effective draws per gradient, of the worst coordinate."""
    diverging: float


def _tried(
    inner: Any, density: Any, plan: Plan, pulled: PulledBack | None = None
) -> tuple[_Trial, int]:
    try:
        result = inner.run(density, plan)
    except ProbgenError:
        return _Trial(-1.0, 1.0), 0
    draws = result.unconstrained if pulled is None else pulled.mapped(result.unconstrained)[0]
    gradients = int(result.summary.get("gradient_evaluations", draws.shape[1]))
    spent = gradients + int(result.summary.get("gradient_evaluations_warmup", 0))
    return _Trial(least_ess(draws) / max(gradients, 1), _diverging(result)), spent


def least_ess(draws: np.ndarray) -> float:
    """Least effective sample size of the coordinates of `draws` (chain, draw, dim); 0 if stuck."""
    from arviz_stats.base import array_stats

    if not np.isfinite(draws).all() or (np.ptp(draws, axis=(0, 1)) == 0).any():
        return 0.0
    columns = np.moveaxis(draws, -1, 0)
    return float(
        min(array_stats.ess(c, chain_axis=0, draw_axis=1, method="bulk") for c in columns)
    )


def _diverging(result: Draws) -> float:
    return float(result.stats["diverging"].mean()) if "diverging" in result.stats else 0.0
