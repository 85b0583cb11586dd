"""Log densities and gradients that are not finite, flat, or not each other's slope.

Samplers start within (-2, 2) on the unconstrained scale and may wander where the prior allows:
a fault at every point tried is an error, at some of them a warning.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from probgen.declare.checks.parameters import first_index, parameter_problems, parameters_at
from probgen.declare.checks.points import Point, log_density_at
from probgen.declare.checks.problem import Problem, error, warning
from probgen.declare.evaluation import Program
from probgen.declare.sites import sample_sites, site_kind

__all__ = ["density_problems", "wrong_slopes"]

_STEP = 1e-5
_SLOPE_TOLERANCE = 1e-3
_COMPARED_POINTS, _COMPARED_SITES = 3, 12  # slopes cost two evaluations each


def density_problems(
    program: Program, points: Sequence[Point], known: set[str | None]
) -> list[Problem]:
    """Faults in the log density at `points`; sites in `known` have been reported already."""
    problems = [
        *_raised(points),
        *_not_finite(program, points, known),
        *_bad_gradients(points),
        *_constant_likelihood(program, points),
    ]
    finite = [point for point in points if point.finite]
    return problems + list(wrong_slopes(program, finite[:_COMPARED_POINTS]))


def _raised(points: Sequence[Point]) -> Iterator[Problem]:
    raised = [point.problem for point in points if point.problem is not None]
    seen: set[str | None] = set()
    for problem in raised:
        if problem.site in seen:
            continue
        seen.add(problem.site)
        count = sum(other.site == problem.site for other in raised)
        yield _at(count, len(points), problem.site, problem.message, problem.cure)


def _not_finite(
    program: Program, points: Sequence[Point], known: set[str | None]
) -> Iterator[Problem]:
    counts: Counter[str] = Counter()
    examples: dict[str, Any] = {}
    dependent = program.enumeration.dependent if program.enumeration else ()
    for point in (point for point in points if point.trace is not None):
        for name, message in sample_sites(point.trace):
            if name in dependent and point.finite:
                continue  # some states may well be impossible
            if site_kind(message) != "deterministic" and not _is_finite(message["log_prob"]):
                counts[name] += 1
                examples.setdefault(name, message)
    for name, count in counts.items():
        if name in known:
            continue
        factor = site_kind(examples[name]) == "factor"
        invalid = [] if factor else parameter_problems(name, examples[name])
        if invalid:
            yield _at(count, len(points), name, invalid[0].message, invalid[0].cure)
        else:
            yield _at(count, len(points), name, *_explain(name, examples[name]))


def _explain(name: str, message: Any) -> tuple[str, str]:
    """What a log density that is not finite comes from, and the cure."""
    log_prob = message["log_prob"].detach()
    wrong = ~log_prob.isfinite()
    index = first_index(wrong)
    found = log_prob[index].item()
    many = f"{int(wrong.sum())} of its {wrong.numel()} terms are not finite; " * (wrong.dim() > 0)
    where = f" at index {index}" if index else ""
    if site_kind(message) == "factor":
        text = f"Factor {name!r} is {found}{where}."
        return text, "Look for logarithms of 0, overflow, or 0/0 in what it computes."
    value = _event_at(message, index)
    text = (
        f"Site {name!r}: the log density is {found}; {many}the first is{where} the value {value} "
        f"under {parameters_at(message['fn'], index)}."
    )
    return text, _cure(found)


def _cure(found: float) -> str:
    if math.isnan(found):
        return "Look for what makes NaN: 0/0, infinity minus infinity, the root of a negative."
    if found > 0:
        return (
            "The density has no upper bound there: keep the data off the edge of the support, or "
            "bound the parameters away from where the distribution collapses."
        )
    return (
        "The value is impossible there: keep the data off the edge of the support, bound the "
        "parameters, or compute on the log scale (logits=, log rates) if they under- or overflow."
    )


def _event_at(message: Any, index: tuple[int, ...]) -> str:
    value, distribution = message["value"].detach(), message["fn"]
    shape = message["log_prob"].shape + tuple(distribution.event_shape)
    try:
        found = value.expand(shape)[index]
    except RuntimeError:  # time series, whose events are longer than they declare
        return f"of shape {tuple(value.shape)}"
    if found.dim() == 0:
        return f"{found.item():.6g}"
    return np.array2string(found.numpy(), precision=4, threshold=8)


def _bad_gradients(points: Sequence[Point]) -> Iterator[Problem]:
    finite = [point for point in points if point.finite]
    counts: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for point in finite:
        for name, gradient in point.gradient.items():
            wrong = ~gradient.isfinite()
            if bool(wrong.any()):
                index = first_index(wrong)
                coordinate = f"{name}[{','.join(map(str, index))}]" if index else name
                counts[name] += 1
                examples.setdefault(name, f"{coordinate}: {gradient[index].item()}")
    for name, count in counts.items():
        yield _at(
            count,
            len(finite),
            name,
            f"The log density is finite, but not its derivative with respect to latent "
            f"coordinate {examples[name]}.",
            "Look for roots, norms or logarithms at 0, and for torch.where whose other branch is "
            "not finite (choose a safe argument for it inside a second torch.where).",
        )


def _constant_likelihood(program: Program, points: Sequence[Point]) -> Iterator[Problem]:
    if program.enumeration:  # each state of a discrete site may have a constant density
        return
    finite = [point.log_likelihoods() for point in points if point.finite]
    names = list(finite[0]) if finite else []
    if len(finite) < 2 or not names or not points[-1].unconstrained:
        return
    if all(
        math.isclose(other.get(name, math.nan), finite[0][name], rel_tol=1e-13)
        for other in finite
        for name in names
    ):
        listed = ", ".join(map(repr, names))
        yield warning(
            names[0],
            f"The log likelihood of {listed} is the same whatever the latent sites are: the "
            "data say nothing about them.",
            "Compute the parameters from the latent sites, not from constants, nor from .detach() "
            "or .item() of a site.",
        )


def wrong_slopes(program: Program, points: Sequence[Point]) -> Iterator[Problem]:
    """Latent sites whose gradient is not the slope of the log density, or is always 0."""
    for site in program.latents[:_COMPARED_SITES]:
        slopes = [_slopes(program, point, site.name) for point in points]
        slopes = [pair for pair in slopes if all(map(math.isfinite, pair))]
        wrong = [pair for pair in slopes if _differ(*pair)]
        if slopes and len(wrong) > len(slopes) / 2:
            measured, computed = wrong[0]
            yield warning(
                site.name,
                f"The gradient with respect to latent site {site.name!r} is wrong: the log "
                f"density changes with slope {measured:.4g}, autograd says {computed:.4g}.",
                "Let no .detach(), .item(), numpy or torch.no_grad stand between the site and "
                "the density.",
            )
        elif slopes and all(pair == (0.0, 0.0) for pair in slopes):
            yield warning(
                site.name,
                f"The log density does not depend on latent site {site.name!r}: its posterior is "
                "improper.",
                "Give the site a proper prior, or remove it.",
            )


def _slopes(program: Program, point: Point, name: str) -> tuple[float, float]:
    """The slope along all coordinates of a site, by differences and by the gradient."""
    ends = [
        log_density_at(
            program, {**point.unconstrained, name: point.unconstrained[name] + sign * _STEP}
        )
        for sign in (1.0, -1.0)
    ]
    return (ends[0] - ends[1]) / (2 * _STEP), float(point.gradient[name].sum())


def _differ(measured: float, computed: float) -> bool:
    return abs(measured - computed) > _SLOPE_TOLERANCE * (1.0 + abs(measured) + abs(computed))


def _is_finite(log_prob: torch.Tensor) -> bool:
    return bool(log_prob.isfinite().all())


def _at(count: int, total: int, site: str | None, message: str, cure: str) -> Problem:
    """An error when found at all points, a warning when found at some."""
    if count == total:
        return error(site, f"{message} (At all {total} points tried.)", cure)
    return warning(site, f"{message} (At {count} of {total} points tried.)", cure)
