"""Parameters of distributions outside their constraints, such as a negative scale.

torch validates parameters while a distribution is built, before Pyro knows the site's name.
Here they are checked when the distribution reaches its site, so that the error can name it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.distributions import constraints
from torch.distributions.utils import lazy_property

from probgen.declare.checks.problem import Problem, error
from probgen.declare.supports import label, support_words, unwrapped

__all__ = ["first_index", "parameter_problems", "parameters_at"]

_POSITIVE = (
    "Give it a prior on positive numbers (HalfNormal, LogNormal, Gamma ...), or make it positive "
    "with .exp() or torch.nn.functional.softplus."
)
_CURES = (
    (constraints.unit_interval, "Use torch.sigmoid on it, or pass logits= instead of probs=."),
    (constraints.simplex, "Use torch.softmax(..., -1) on it, or a Dirichlet prior."),
    (constraints.positive_definite, "Add a small constant to its diagonal, or pass scale_tril=."),
    (constraints.lower_cholesky, "Pass the lower factor of torch.linalg.cholesky."),
    (constraints.positive, _POSITIVE),
    (constraints.nonnegative, _POSITIVE),
)
_NAN = (
    "Look for what makes NaN on the way to it: the logarithm or root of a negative number, 0/0, "
    "or missing values in the data."
)
_PARTS = (
    "base_dist",
    "_mixture_distribution",
    "_component_distribution",
    "component0",
    "component1",
)


def parameter_problems(name: str, message: Mapping[str, Any]) -> list[Problem]:
    """Parameters of a site's distribution that break their constraints."""
    for distribution in _parts(message["fn"]):
        problems = [
            _problem(name, distribution, parameter, value, constraint, valid)
            for parameter, value, constraint, valid in _checked(distribution)
            if not bool(valid.all())
        ]
        if problems:
            return problems  # the parts inside would only repeat them
    return []


def parameters_at(distribution: Any, index: tuple[int, ...]) -> str:
    """A distribution with its parameters at one index of its batch, like "Normal(loc=1.2)"."""
    inner = unwrapped(distribution)
    shape = distribution.batch_shape
    shown = []
    for parameter, value in _parameters(inner):
        tensor = torch.as_tensor(value)
        event = tensor.dim() - len(inner.batch_shape)
        if event <= 0 and len(inner.batch_shape) == len(shape):
            number = tensor.expand(shape)[index[-len(shape) :] if shape else ()]
            shown.append(f"{parameter}={number.item():.6g}")
    return f"{label(inner)}({', '.join(shown)})" if shown else label(inner)


def first_index(wrong: torch.Tensor) -> tuple[int, ...]:
    """Index of the first True."""
    return tuple(int(i) for i in wrong.nonzero()[0])


def _parts(distribution: Any) -> Iterator[Any]:
    """A distribution and those that it is made of."""
    yield distribution
    for attribute in _PARTS:
        part = vars(distribution).get(attribute)
        if isinstance(part, torch.distributions.Distribution):
            yield from _parts(part)


def _parameters(distribution: Any) -> Iterator[tuple[str, Any]]:
    """Parameters that a distribution was given (others would be computed on access)."""
    for parameter in getattr(distribution, "arg_constraints", None) or {}:
        computed = isinstance(getattr(type(distribution), parameter, None), lazy_property)
        if computed and parameter not in vars(distribution):
            continue
        value = getattr(distribution, parameter, None)
        if isinstance(value, (torch.Tensor, int, float)):
            yield parameter, value


def _checked(distribution: Any) -> Iterator[tuple[str, torch.Tensor, Any, torch.Tensor]]:
    for parameter, value in _parameters(distribution):
        constraint = distribution.arg_constraints[parameter]
        if not constraints.is_dependent(constraint):
            tensor = torch.as_tensor(value).detach()
            yield parameter, tensor, constraint, constraint.check(tensor)


def _problem(
    name: str,
    distribution: Any,
    parameter: str,
    value: torch.Tensor,
    constraint: Any,
    valid: torch.Tensor,
) -> Problem:
    index = first_index(~valid)
    where = f"{parameter}[{', '.join(map(str, index))}]" if index else parameter
    found = value[index]
    shown = f"{found.item():.6g}" if found.dim() == 0 else str(found.tolist())
    many = f"{int((~valid).sum())} of {valid.numel()} values are not: " if index else ""
    is_nan = bool(found.isnan().any()) if found.is_floating_point() else False
    kind = label(distribution)
    return error(
        name,
        f"Site {name!r}: parameter {parameter!r} of {kind} must be "
        f"{_requirement(constraint)}; {many}{where} = {shown}.",
        _NAN if is_nan else _cure(constraint),
    )


def _requirement(constraint: Any) -> str:
    inner = constraint
    while isinstance(inner, constraints.independent):
        inner = inner.base_constraint
    words = support_words(inner)
    return f"a {words}" if words in ("simplex", "positive definite matrix") else words


def _cure(constraint: Any) -> str:
    inner = constraint
    while isinstance(inner, constraints.independent):
        inner = inner.base_constraint
    for known, cure in _CURES:
        if inner is known:
            return cure
    return f"Make it {_requirement(constraint)}, by its prior or by a transform."
