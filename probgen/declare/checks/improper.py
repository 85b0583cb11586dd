"""Latent sites without a proper prior that nothing else in the program holds back.

The density is followed along the site to far away. Where it falls at last, the likelihood or a
factor bounds the site; where it does not, the posterior has no finite mass.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from pyro import distributions as dist

from probgen.declare.checks.points import Point, log_density_at
from probgen.declare.checks.problem import Problem, warning
from probgen.declare.evaluation import Program
from probgen.declare.placing import mask_of
from probgen.declare.sites import sample_sites, site_kind
from probgen.declare.supports import unwrapped

__all__ = ["improper_problems"]

_DISTANCES = [10.0**power for power in range(13)]  # on the unconstrained scale
_FALL = 1e-3  # nats for ten times the distance: less than any tail of finite mass loses
_FOLLOWED_SITES = 12


def improper_problems(program: Program, point: Point, known: set[str | None]) -> Iterator[Problem]:
    """Warnings about sites of improper prior along which the density at `point` does not fall.

    Sites in `known` have been reported already.
    """
    sites = [
        (name, how)
        for name, message in sample_sites(point.trace)
        if name in point.unconstrained and name not in known and (how := _why_improper(message))
    ]
    for name, how in sites[:_FOLLOWED_SITES]:
        for sign, side in ((1.0, "larger"), (-1.0, "smaller")):
            if not _falls(program, point, name, sign):
                yield warning(
                    name,
                    f"Latent site {name!r} has an improper prior ({how}), and the log density "
                    f"does not fall at ever {side} values: the posterior is improper, too.",
                    "Give it a proper prior, wide if need be.",
                )
                break


def _why_improper(message: Mapping[str, Any]) -> str:
    if site_kind(message) != "latent":
        return ""
    if mask_of(message) is False:
        return "its log density is masked out"
    improper = isinstance(unwrapped(message["fn"]), dist.ImproperUniform)
    return "it is an ImproperUniform" if improper else ""


def _falls(program: Program, point: Point, name: str, sign: float) -> bool:
    """Whether the density falls between the last two distances at which it is a number."""
    here = point.unconstrained[name]
    far = [
        log_density_at(program, {**point.unconstrained, name: here + sign * distance})
        for distance in _DISTANCES
    ]
    numbers = [value for value in far if not math.isnan(value)]
    if len(numbers) < 2 or numbers[-1] == -math.inf:
        return True  # nothing can be said, or it is impossible there
    return numbers[-1] < numbers[-2] - _FALL
