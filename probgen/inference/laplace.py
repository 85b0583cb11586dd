"""Laplace's approximation: the normal distribution of the mode's own curvature.

Laplace (1774); Tierney & Kadane (1986) for the evidence. Exact for normal posteriors; for others
Pareto k of the importance ratios says how much it misses.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from probgen.errors import OptionError, SamplingError
from probgen.inference.chains import check_plan
from probgen.inference.method import DensityLike, Draws, Plan
from probgen.inference.optimise.hessian import precision_at
from probgen.inference.optimise.importance import (
    log_mean,
    notes_on_k,
    smoothed,
    weighted_rows,
)
from probgen.inference.optimise.modes import find_modes
from probgen.inference.optimise.normal import DenseNormal
from probgen.inference.optimise.objective import Objective, Place

__all__ = ["Laplace", "Peak", "find_peak"]

_LARGEST = 2000
"""Coordinates above which the dense Hessian (dim^2 numbers, 2 dim gradients) is refused."""
_FLAT = 1e-6
"""Curvature, relative to that of single coordinates, below which a direction counts as flat."""
_FLOOR = 1e-2
"""Curvature given to such directions: ten times as wide as the coordinates themselves."""


@dataclass(frozen=True)
class Laplace:
    """Normal approximation at the posterior mode on the unconstrained scale.

    The mode is the highest of those found from the starts of the chains; its Hessian comes from
    differences of gradients (2 dim of them). All draws are independent: `chains` only lays
    them out. The summary has the `log_evidence` (nats) of the approximation and Pareto k, which
    is infinite where the Hessian is not negative definite.

    Args:
        max_iterations: of every climb to a mode.
        resample: whether the draws are resampled by Pareto-smoothed importance weights, which
            corrects what the normal misses as long as Pareto k is below 0.7.

    Raises `OptionError` for values out of range.

    Example:
        >>> Laplace()
        Laplace(max_iterations=5000, resample=False)
    """

    max_iterations: int = 5000
    resample: bool = False
    name: ClassVar[str] = "Laplace"
    serves: ClassVar[tuple[str, ...]] = ("density",)
    defaults: ClassVar[dict[str, int]] = {"chains": 4, "draws": 1000, "warmup": 0}

    def __post_init__(self) -> None:
        """Validate the settings."""
        most = self.max_iterations
        if not isinstance(most, int) or isinstance(most, bool) or most < 1:
            raise OptionError(f"Laplace(max_iterations={most!r}): it must be an integer >= 1.")
        if not isinstance(self.resample, bool):
            raise OptionError(f"Laplace(resample={self.resample!r}): it must be True or False.")

    def run(self, density: DensityLike, plan: Plan) -> Draws:
        """Approximate `density` and draw; `warmup` and `thin` of the plan do not matter.

        Raises `OptionError` or `ModelError` for plans that cannot be carried out,
        `InitialisationError` for starts without a finite density, `SamplingError` when the
        log density has no mode or no finite Hessian there.
        """
        check_plan(density, plan)
        if density.dim > _LARGEST:
            raise OptionError(
                f"Laplace(): the model has {density.dim} coordinates and a dense Hessian serves "
                f"up to {_LARGEST}; take Pathfinder() or NUTS()."
            )
        started = time.perf_counter()
        with np.errstate(over="ignore", invalid="ignore"):
            peak = find_peak(density, plan.initial, self.max_iterations)
            found = time.perf_counter()
            result = self._draw(density, plan, peak)
        result.summary |= {
            "engine": "numpy",
            "approximation": True,
            "gradient_evaluations_warmup": peak.evaluations,
            "seconds_warmup": found - started,
            "seconds_sampling": time.perf_counter() - found,
            "interrupted": False,
        }
        return result

    def _draw(self, density: DensityLike, plan: Plan, peak: Peak) -> Draws:
        objective, normal = Objective(density), peak.normal
        rng = np.random.default_rng([plan.seed % 2**64, 0x1A91])
        count, shape = plan.chains * plan.draws, (plan.chains, plan.draws)
        x = normal.coloured(rng.standard_normal((count, density.dim)))
        lp, log_q = objective.values(x), normal.log_density(x)
        summary: dict[str, Any] = {**peak.summary, "gradient_evaluations": count}
        if count:
            weights, k = smoothed(lp - log_q)
            k = math.inf if peak.flat else k  # ratios say nothing of mass that may be infinite
            summary |= {
                "pareto_k": k,
                "importance_ess": float(1 / np.sum(weights**2)),
                "log_evidence_importance": log_mean(lp - log_q),
            }
            summary["notes"] = peak.notes + ([] if peak.flat else notes_on_k(k, "Laplace"))
            if self.resample:
                rows = weighted_rows(weights, count, rng)
                x, lp, log_q = x[rows], lp[rows], log_q[rows]
        return Draws(
            unconstrained=x.reshape(*shape, density.dim),
            stats={"lp": lp.reshape(shape), "log_q": log_q.reshape(shape)},
            summary={"notes": peak.notes, **summary},
        )


@dataclass(frozen=True)
class Peak:
    """A mode with the normal distribution of its curvature."""

    mode: Place
    normal: DenseNormal
    flat: bool
    """Whether the density does not fall off in some direction."""
    evaluations: int
    notes: list[str]
    summary: dict[str, Any]


def find_peak(density: DensityLike, starts: np.ndarray, iterations: int) -> Peak:
    """The highest mode found from `starts`, polished by Newton steps, and its normal."""
    modes = find_modes(density, starts, iterations)
    objective = Objective(density)
    mode = modes.best
    scale = np.sqrt(modes.curvature.diagonal)
    precision = precision_at(objective, mode.position, scale)
    factor, flat = _factor(precision, scale)
    if not flat:
        mode = _polished(objective, mode, factor)
    normal = DenseNormal(mode.position, factor)
    summary: dict[str, Any] = {"mode_lp": mode.value, "heights": modes.heights}
    if not flat:
        half = 0.5 * (len(factor) * math.log(2 * math.pi) + normal.log_determinant)
        summary["log_evidence"] = mode.value + half
        summary["log_evidence_is"] = "Laplace's approximation"
    notes = [*modes.notes, *_notes_on_flat(flat, density.coordinate_names)]
    evaluations = modes.evaluations + objective.evaluations
    return Peak(mode, normal, bool(flat), evaluations, notes, summary)


def _factor(precision: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """A square root of the inverse of `precision`, and the coordinates that lead flat directions.

    Directions in which the density does not fall off are given a finite width.
    """
    if not np.isfinite(precision).all():
        raise SamplingError(
            "The gradient is not finite around the mode, which lies at an edge of the density: "
            "there is no Laplace approximation. Take Pathfinder() or NUTS()."
        )
    diagonal = np.diag(precision)
    with np.errstate(divide="ignore"):
        deviations = np.where(diagonal * scale**2 > _FLAT, np.abs(diagonal) ** -0.5, scale)
    values, vectors = np.linalg.eigh(precision * np.outer(deviations, deviations))
    flat = values < _FLAT
    leaders = np.abs(vectors[:, flat]).argmax(axis=0)
    values = np.where(flat, _FLOOR, values)
    return deviations[:, None] * vectors / np.sqrt(values), list(dict.fromkeys(leaders.tolist()))


def _polished(objective: Objective, mode: Place, factor: np.ndarray) -> Place:
    """The mode after a Newton step, if that brings it nearer to a vanishing gradient."""
    moved = objective(mode.position + factor @ (factor.T @ mode.gradient))
    nearer = np.linalg.norm(factor.T @ moved.gradient) < np.linalg.norm(factor.T @ mode.gradient)
    return moved if moved.finite and nearer else mode


def _notes_on_flat(flat: list[int], names: list[str]) -> list[str]:
    if not flat:
        return []
    named = ", ".join(names[i] for i in flat[:5])
    return [
        f"At the mode the log density does not fall off in {len(flat)} of {len(names)} "
        f"directions (mostly {named}): its Hessian is not negative definite. The normal was made "
        "ten times as wide there as its coordinates are by themselves, there is no Laplace "
        "evidence, and the draws are a rough guess. The posterior may be improper or not "
        "identified; take NUTS()."
    ]
