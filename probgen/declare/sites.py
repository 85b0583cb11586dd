"""The sites of a program as plain values, read off the messages of a Pyro trace.

A message is what Pyro passes around for every statement of a program. This module says what
kind of statement it is and describes it; `program` runs the program that sends the messages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyro.distributions as dist
import torch

from probgen.declare.bijections import bijection, has_bijection
from probgen.declare.implicit import Implicit
from probgen.declare.supports import (
    is_discrete,
    label,
    support_of,
    support_words,
    unwrapped,
)

__all__ = [
    "Plate",
    "Site",
    "describe_site",
    "is_implicit",
    "is_latent",
    "is_statement",
    "plates_of",
    "sample_sites",
    "site_kind",
]

_WRAPPERS = (torch.distributions.Independent, dist.MaskedDistribution)


@dataclass(frozen=True)
class Plate:
    """A vectorised plate: its name and how many elements it has."""

    name: str
    size: int


@dataclass(frozen=True)
class Site:
    """One named statement of a program.

    `kind` is "latent", "observed", "deterministic" or "factor"; `support` is in words; `shape`
    is the full shape of the value, whose last `event_dim` dimensions belong to one event;
    `plates` names the plate of each batch dimension (None where there is none);
    `unconstrained_shape` is the shape of the value after the transform to the real line
    (continuous latent sites only).
    """

    name: str
    kind: str
    distribution: str
    support: str
    shape: tuple[int, ...]
    event_dim: int
    plates: tuple[str | None, ...]
    unconstrained_shape: tuple[int, ...] = ()
    discrete: bool = False


def is_statement(message: Mapping[str, Any]) -> bool:
    """Whether a message of a trace is a sample statement (a plate's own message is not)."""
    return message["type"] == "sample" and type(message["fn"]).__name__ != "_Subsample"


def is_latent(message: Mapping[str, Any]) -> bool:
    """Whether a sample message asks for the value of a latent site."""
    return (
        not message["is_observed"]
        and not message["done"]
        and is_statement(message)
        and not _is_point(message["fn"])
        and not is_implicit(message)
    )


def is_implicit(message: Mapping[str, Any]) -> bool:
    """Whether a message is of a site without a density, observed or not."""
    return isinstance(unwrapped(message["fn"]), Implicit)


def site_kind(message: Mapping[str, Any]) -> str:
    """ "latent", "observed", "deterministic" or "factor".

    A Delta that is not observed is a deterministic site under another name, and so is a masked
    one, which is what Pyro's reparametrisations leave in place of a site. So is a site without a
    density, whose value its parents determine.
    """
    distribution, observed = message["fn"], message["is_observed"]
    if message["infer"].get("_deterministic"):
        return "deterministic"
    if is_implicit(message):
        return "observed" if observed else "deterministic"
    if isinstance(distribution, dist.Unit):
        return "factor"
    if _is_point(distribution) and not (observed and _counts(distribution)):
        return "deterministic"
    return "observed" if observed else "latent"


def sample_sites(trace: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names and messages of a trace's sites, plates left out."""
    for name, message in trace.nodes.items():
        if is_statement(message):
            yield name, message


def plates_of(message: Mapping[str, Any]) -> dict[int, Any]:
    """The vectorised plates around a site, by their dimension (-1 is the rightmost)."""
    return {frame.dim: frame for frame in message["cond_indep_stack"] if frame.dim is not None}


def describe_site(name: str, message: Mapping[str, Any]) -> Site:
    """The `Site` behind a message of a trace."""
    kind, distribution = site_kind(message), message["fn"]
    factor = kind == "factor"
    shape = tuple(distribution.batch_shape if factor else message["value"].shape)
    event_dim = 0 if factor else len(distribution.event_shape)
    if kind == "deterministic" and event_dim >= len(shape):
        event_dim = 0  # what pyro.deterministic takes when it is not told: all is one event
    around = plates_of(message)
    plates = _plate_names(around, shape[: len(shape) - event_dim])
    support = support_of(distribution) if kind in ("latent", "observed") else None
    discrete = is_discrete(support)
    unconstrained: tuple[int, ...] = ()
    if kind == "latent" and not discrete and has_bijection(support):
        transform = bijection(support)
        # Not transform.inverse_shape: in torch that imports a second's worth of compiler.
        with torch.no_grad():
            unconstrained = tuple(transform.inv(message["value"].detach()).shape)
    return Site(
        name,
        kind,
        label(distribution),
        support_words(support),
        shape,
        event_dim,
        plates,
        unconstrained,
        discrete,
    )


def _plate_names(around: Mapping[int, Any], batch: tuple[int, ...]) -> tuple[str | None, ...]:
    """The plate of each batch dimension; None where there is none of that length."""
    dims = range(-len(batch), 0)
    found = [(size, around.get(dim)) for dim, size in zip(dims, batch, strict=True)]
    return tuple(p.name if p and p.size in (size, -1) else None for size, p in found)


def _is_point(distribution: Any) -> bool:
    """Whether the distribution is a Delta under its wrappers."""
    while isinstance(distribution, _WRAPPERS):
        distribution = distribution.base_dist
    return isinstance(distribution, dist.Delta)


def _counts(distribution: Any) -> bool:
    """Whether no wrapper masks the distribution's log density away altogether."""
    while isinstance(distribution, _WRAPPERS):
        if getattr(distribution, "_mask", None) is False:
            return False
        distribution = distribution.base_dist
    return True
