"""Supports and constraints in words: "> 0" for GreaterThan(lower_bound=0.0).

The same words serve the table of sites, the errors of the dry run and the command line.
"""

from __future__ import annotations

from typing import Any

import torch
from pyro import distributions as dist
from torch.distributions import constraints

__all__ = [
    "continuous_support",
    "is_discrete",
    "label",
    "support_of",
    "support_words",
    "unwrapped",
]

_WRAPPERS = (torch.distributions.Independent, dist.MaskedDistribution, dist.ExpandedDistribution)


_BY_NAME = {
    "Real": "real",
    "Boolean": "0 or 1",
    "Simplex": "simplex",
    "OneHot": "one-hot vector",
    "Multinomial": "counts",
    "OrderedVector": "ordered vector",
    "PositiveOrderedVector": "positive ordered vector",
    "CorrCholesky": "correlation Cholesky",
    "CorrMatrix": "correlation matrix",
    "LowerCholesky": "lower triangular, positive diagonal",
    "LowerTriangular": "lower triangular",
    "PositiveDefinite": "positive definite matrix",
    "PositiveSemidefinite": "positive semi-definite matrix",
    "Sphere": "unit vector",
}
_BY_BOUNDS = {
    "GreaterThanEq": ">= {}",
    "GreaterThan": "> {}",
    "LessThan": "< {}",
    "HalfOpenInterval": "[{}, {})",
    "Interval": "[{}, {}]",
    "IntegerGreaterThan": "integer >= {}",
    "IntegerLessThan": "integer <= {}",
    "IntegerInterval": "integer, {} .. {}",
}


def support_words(support: Any) -> str:
    """A support as a reader writes it; nothing for a site that has none."""
    if support is None:
        return ""
    inner = continuous_support(support)
    while isinstance(inner, constraints.independent):
        inner = inner.base_constraint
    name = type(inner).__name__.strip("_")
    if name in _BY_BOUNDS:
        bounds = (getattr(inner, bound, None) for bound in ("lower_bound", "upper_bound"))
        return _BY_BOUNDS[name].format(*(_number(b) for b in bounds if b is not None))
    return _BY_NAME.get(name, name)


def support_of(distribution: Any) -> Any:
    """The support of a distribution; None where it declares none."""
    try:
        return distribution.support
    except (NotImplementedError, AttributeError):
        return _inner_support(distribution)


def _inner_support(distribution: Any) -> Any:
    """The support behind Pyro's wrapper for zuko, whose flows say where they map from."""
    inner = getattr(distribution, "dist", None)
    if isinstance(inner, torch.distributions.Distribution):
        return support_of(inner)
    domain = getattr(getattr(distribution, "transform", None), "domain", None)
    if not isinstance(domain, constraints.Constraint):
        return None
    missing = len(distribution.event_shape) - domain.event_dim
    return constraints.independent(domain, missing) if missing > 0 else domain


def continuous_support(support: Any) -> Any:
    """The support on which values can be moved: a mixture lives on that of its components."""
    if isinstance(support, constraints.MixtureSameFamilyConstraint):
        return continuous_support(support.base_constraint)
    if isinstance(support, constraints.independent):
        inner = continuous_support(support.base_constraint)
        if inner is not support.base_constraint:
            return constraints.independent(inner, support.reinterpreted_batch_ndims)
    return support


def is_discrete(support: Any) -> bool:
    """Whether a support consists of separate values."""
    return bool(getattr(support, "is_discrete", False))


def label(distribution: Any) -> str:
    """The name of a distribution, without what wraps it."""
    return type(unwrapped(distribution)).__name__


def unwrapped(distribution: Any) -> Any:
    """A distribution without `.to_event`, `.mask` and `.expand`."""
    while isinstance(distribution, _WRAPPERS):
        distribution = distribution.base_dist
    return distribution


def _number(bound: Any) -> str:
    if not isinstance(bound, torch.Tensor):
        return f"{bound:g}"
    low, high = float(bound.detach().min()), float(bound.detach().max())
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
