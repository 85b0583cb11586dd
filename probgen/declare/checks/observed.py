"""Observed values that their distribution cannot produce: missing, infinite, out of support.

What a mask leaves out does not count. The values are those that the program observes, which
need not be the data as they were passed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch
from pyro import distributions as dist
from torch.distributions import constraints

from probgen.declare.checks.parameters import first_index
from probgen.declare.checks.problem import Problem
from probgen.declare.placing import mask_of
from probgen.declare.sites import sample_sites, site_kind
from probgen.declare.supports import (
    continuous_support,
    is_discrete,
    label,
    support_of,
    support_words,
    unwrapped,
)

__all__ = ["observed_problems", "support_moves"]

_MISSING = (
    "Drop these observations; or leave them out of the density with "
    "pyro.poutine.mask(mask=~y.isnan()); or have them imputed: "
    "pyro.sample(..., obs=y, obs_mask=~y.isnan())."
)
_TAKES_MISSING = (dist.NanMaskedNormal, dist.NanMaskedMultivariateNormal)
_INFINITE = "Look for where the data become infinite: the logarithm of 0, or division by 0."


def observed_problems(given: dict[str, torch.Tensor], traces: Sequence[Any]) -> list[Problem]:
    """Faults in the observed values `given`, held against every trace of the program.

    The support of a site may depend on other sites, so that it takes several traces to say
    whether a value lies outside of it always (an error) or sometimes (a warning).
    """
    problems: list[Problem] = []
    for name, value in given.items():
        messages = [dict(sample_sites(trace)).get(name) for trace in traces]
        messages = [m for m in messages if m is not None and site_kind(m) == "observed"]
        if messages:
            problems += list(_not_finite(name, value, messages[0])) or list(
                _outside(name, value, messages)
            )
    return problems


def support_moves(name: str, traces: Sequence[Any]) -> bool:
    """Whether the support of a site differs between traces of the program."""
    sites = (dict(sample_sites(trace)) for trace in traces)
    words = {support_words(support_of(site[name]["fn"])) for site in sites if name in site}
    return len(words) > 1


def _not_finite(name: str, value: torch.Tensor, message: Any) -> Iterator[Problem]:
    kinds = ((value.isnan(), "missing (NaN)", _MISSING), (value.isinf(), "infinite", _INFINITE))
    missing_is_fine = isinstance(unwrapped(message["fn"]), _TAKES_MISSING)
    for where, what, cure in kinds[missing_is_fine:]:
        wrong = _counted(where, value, message)
        if bool(wrong.any()):
            first = _place(name, first_index(wrong))
            text = f"Observed site {name!r}: {_how_many(wrong)} {what}, the first at {first}."
            yield Problem("error", name, text, cure, "data")


def _outside(name: str, value: torch.Tensor, messages: list[Any]) -> Iterator[Problem]:
    found = [wrong for m in messages if bool((wrong := _wrong(value, m)).any())]
    if not found:
        return
    wrong, distribution = found[0], messages[0]["fn"]
    support = support_of(distribution)
    always = len(found) == len(messages)
    when = (
        ""
        if always
        else (
            f" at {len(found)} of {len(messages)} points tried "
            "(the support depends on latent sites)"
        )
    )
    text = (
        f"Observed site {name!r}: {_how_many(wrong)} outside the support of "
        f"{label(distribution)} ({support_words(support)}){when}; the first is "
        f"{_first_value(name, value, wrong, len(distribution.event_shape))}."
    )
    severity: Literal["error", "warning"] = "error" if always else "warning"
    about: Literal["data", "model"] = "data" if always else "model"
    yield Problem(severity, name, text, _cure(support), about)


def _first_value(name: str, value: torch.Tensor, wrong: torch.Tensor, event_rank: int) -> str:
    index = first_index(wrong)
    event = value.shape[value.dim() - event_rank :]
    found = value.expand(wrong.shape + event)[index]
    shown = f"{found.item():.6g}" if found.dim() == 0 else str(found.tolist())
    return f"{_place(name, index)} = {shown}"


def _wrong(value: torch.Tensor, message: Any) -> torch.Tensor:
    """Which values, by batch index, lie outside the support."""
    support = support_of(message["fn"])
    if support is None or isinstance(unwrapped(message["fn"]), _TAKES_MISSING):
        return torch.zeros((), dtype=torch.bool)
    with torch.no_grad():
        outside = ~support.check(value)
    surplus = outside.dim() - (value.dim() - len(message["fn"].event_shape))
    if surplus > 0:  # a support that looks at single numbers of an event
        outside = outside.flatten(-surplus).any(-1) if surplus > 1 else outside.any(-1)
    return _counted(outside, value, message)


def _counted(wrong: torch.Tensor, value: torch.Tensor, message: Any) -> torch.Tensor:
    """`wrong` without the values that a mask leaves out."""
    mask = mask_of(message)
    if mask is False:
        return torch.zeros_like(wrong)
    if not isinstance(mask, torch.Tensor):
        return wrong
    extra = wrong.dim() - max(value.dim() - len(message["fn"].event_shape), 0)
    return wrong & mask.reshape(tuple(mask.shape) + (1,) * max(extra, 0))


def _how_many(wrong: torch.Tensor) -> str:
    count, total = int(wrong.sum()), wrong.numel()
    if total == 1:
        return "the value is"
    return f"{count} of {total} values {'is' if count == 1 else 'are'}"


def _place(name: str, index: tuple[int, ...]) -> str:
    return f"{name}[{', '.join(map(str, index))}]" if index else name


def _cure(support: Any) -> str:
    inner = continuous_support(support)
    while isinstance(inner, constraints.independent):
        inner = inner.base_constraint
    name = type(inner).__name__.strip("_")
    if name == "IntegerInterval":
        return "Code categories from 0 (subtract 1 from codes that start at 1), as whole numbers."
    if is_discrete(inner):
        return "Check the coding of the data, or take a distribution of continuous values."
    if name == "Simplex":
        return "Divide every vector by its sum, so that it adds up to 1."
    if name in ("GreaterThan", "GreaterThanEq", "LessThan", "Interval", "HalfOpenInterval"):
        return (
            "Check the data (units, transforms, codes for missing values), or take a "
            "distribution with a wider support."
        )
    return "Check the data, or take a distribution whose support holds them."
