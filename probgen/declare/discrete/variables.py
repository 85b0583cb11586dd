"""Discrete latent sites as variables with finitely many states, and why some cannot be.

A variable is tried at all its states at once along a batch dimension of its own, to the left
of all plates, as Pyro's parallel enumeration does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyro.distributions as dist
import torch

from probgen.declare.supports import label, support_of, support_words
from probgen.errors import ModelError

__all__ = ["Dims", "Variable", "dims_of", "states_of"]

_MOST_STATES = 1 << 16

Dims = frozenset[tuple[int, int]]
"""Batch dimensions with more than one element: pairs (negative dimension, size)."""


@dataclass(frozen=True)
class Variable:
    """A discrete latent site: its `states` (k, *event shape) and where they are laid out.

    `batch` is the batch shape of the site (every element has states of its own), `dim` the
    batch dimension along which the states are tried.
    """

    name: str
    states: torch.Tensor
    batch: tuple[int, ...]
    dim: int = 0

    @property
    def size(self) -> int:
        """Number of states."""
        return len(self.states)

    @property
    def plates(self) -> Dims:
        """The batch dimensions with more than one element."""
        return dims_of(self.batch)

    def all_states(self, message: Mapping[str, Any]) -> torch.Tensor:
        """The value of the site at all its states, along its dimension."""
        event = self.states.shape[1:]
        value = self.states.reshape(self.size, *(1,) * (-1 - self.dim), *event)
        inner = message["fn"]
        while isinstance(inner, dist.MaskedDistribution):
            inner = inner.base_dist
        if type(inner) is dist.Categorical:
            # Pyro then reads the log density off the logits, without a gather.
            value._pyro_categorical_support = id(inner)  # type: ignore[attr-defined]
        return value


def dims_of(batch: tuple[int, ...]) -> Dims:
    """The dimensions of a batch shape with more than one element."""
    return frozenset((d - len(batch), size) for d, size in enumerate(batch) if size > 1)


def states_of(name: str, distribution: Any) -> torch.Tensor:
    """Every value of one element of a discrete site, of shape (states, *event shape).

    Raises `ModelError` naming the site when there are infinitely many, or too many.
    """
    inner = distribution
    while isinstance(inner, (dist.MaskedDistribution, dist.ExpandedDistribution)):
        inner = inner.base_dist
    if isinstance(inner, torch.distributions.Independent):
        return _product(name, inner)
    if not getattr(inner, "has_enumerate_support", False):
        raise ModelError(_not_enumerable(name, distribution))
    try:
        values = inner.enumerate_support(expand=False)
    except NotImplementedError as raised:
        raise ModelError(
            f"Discrete latent site {name!r} ({label(distribution)}) cannot be summed out: its "
            f"elements have different values ({raised}). Give all elements the same values, for "
            "instance the largest total_count, and mask the impossible ones out."
        ) from raised
    return values.reshape(values.shape[:1] + tuple(inner.event_shape))


def _product(name: str, distribution: Any) -> torch.Tensor:
    """All combinations of the values of a distribution that `.to_event` made one event."""
    base = states_of(name, distribution.base_dist)
    count = math.prod(distribution.event_shape) // max(math.prod(base.shape[1:]), 1)
    if len(base) ** count > _MOST_STATES:
        raise ModelError(
            f"Discrete latent site {name!r} ({label(distribution)}.to_event) has {len(base)} ** "
            f"{count} values, too many to sum over. If its elements are independent, declare "
            "them in a plate instead of .to_event."
        )
    choices = torch.cartesian_prod(*[torch.arange(len(base))] * count).reshape(-1, count)
    return base[choices].reshape(-1, *distribution.event_shape)


def _not_enumerable(name: str, distribution: Any) -> str:
    kind, words = label(distribution), support_words(support_of(distribution))
    start = f"Discrete latent site {name!r} cannot be summed out: {kind} has "
    if kind == "Multinomial":
        return start + (
            "more values than can be listed. Declare the trials instead, as Categorical sites in "
            "a plate, or observe it."
        )
    if words.startswith("integer >="):
        return start + (
            f"infinitely many values ({words}). Truncate it: z = pyro.sample({name!r}, "
            "dist.Categorical(logits=prior.log_prob(torch.arange(N)))) with N well beyond the "
            "posterior; or sum by hand (a Poisson with a Gamma rate is dist.GammaPoisson); or "
            "observe it."
        )
    return start + (
        f"values ({words or 'no support'}) that Pyro cannot list (no enumerate_support). Sum "
        "over it by hand, or observe it."
    )
