"""A program evaluated at points from its prior and near the origin, for the checks of values.

Every point keeps its trace, so that a log density that is not finite can be explained by the
values and parameters of the site it comes from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from probgen.declare.checks.failure import failure
from probgen.declare.checks.problem import Problem
from probgen.declare.evaluation import Program
from probgen.declare.sites import sample_sites, site_kind

__all__ = ["Point", "evaluated_points", "log_density_at"]

_FROM_PRIOR = 5
_NEAR_ORIGIN = 5
_RADIUS = 2.0  # the range in which chains start


@dataclass
class Point:
    """A program at one point: its trace with log densities, their sum and its gradient.

    `trace` and `gradient` are missing (None) where the program raised, and `problem` says what.
    """

    unconstrained: dict[str, torch.Tensor]
    trace: Any = None
    log_density: float = float("nan")
    gradient: dict[str, torch.Tensor] = field(default_factory=dict)
    problem: Problem | None = None

    @property
    def finite(self) -> bool:
        """Whether the log density is finite."""
        return self.trace is not None and abs(self.log_density) < float("inf")

    def log_likelihoods(self) -> dict[str, float]:
        """The log density of every observed site and factor."""
        return {
            name: float(message["log_prob_sum"].detach())
            for name, message in sample_sites(self.trace)
            if site_kind(message) in ("observed", "factor")
        }


def evaluated_points(program: Program, seed: int) -> list[Point]:
    """The program at draws from its prior and at points uniform on (-2, 2) near the origin."""
    points = [_prior_point(program, seed + i) for i in range(_FROM_PRIOR)]
    generator = torch.Generator().manual_seed(seed)
    for i in range(_NEAR_ORIGIN):
        radius = _RADIUS if i else 0.1  # not zero itself, where norms and roots have no slope
        points.append(
            _evaluated(
                program,
                {
                    site.name: radius
                    * (
                        2.0
                        * torch.rand(
                            site.unconstrained_shape, generator=generator, dtype=torch.float64
                        )
                        - 1.0
                    )
                    for site in program.latents
                },
            )
        )
    return points


def log_density_at(program: Program, unconstrained: dict[str, torch.Tensor]) -> float:
    """The log density without its gradient; NaN where the program raises."""
    try:
        with torch.no_grad():
            return float(program.evaluate(unconstrained).log_density)
    except Exception:
        return float("nan")


def _prior_point(program: Program, seed: int) -> Point:
    try:
        return _evaluated(program, program.unconstrain(seed=seed))
    except Exception as raised:
        return Point({}, problem=failure(program.model, raised))


def _evaluated(program: Program, unconstrained: dict[str, torch.Tensor]) -> Point:
    leaves = {n: value.detach().clone().requires_grad_() for n, value in unconstrained.items()}
    point = Point({n: leaf.detach() for n, leaf in leaves.items()})
    try:
        with program.environment(), torch.enable_grad():
            trace, total = program.trace_at(leaves)
            gradients = _gradients(total, list(leaves.values()))
    except Exception as raised:
        point.problem = failure(program.model, raised)
        return point
    point.trace, point.log_density = trace, float(total.detach())
    point.gradient = dict(zip(leaves, gradients, strict=True))
    return point


def _gradients(total: torch.Tensor, leaves: list[torch.Tensor]) -> list[torch.Tensor]:
    if not total.requires_grad or not leaves:
        return [torch.zeros_like(leaf) for leaf in leaves]
    return list(torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True))
