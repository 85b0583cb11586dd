"""Runs of a program with its discrete sites at single values, one of them followed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.distributions import constraints

from probgen.declare.discrete.lineage import Lineage
from probgen.declare.discrete.variables import Variable, states_of
from probgen.declare.placing import PlaceUnconstrained, sites_change
from probgen.declare.sites import is_latent
from probgen.declare.supports import continuous_support, support_of
from probgen.errors import ModelError

__all__ = ["Assigned", "Followed"]


class Assigned(PlaceUnconstrained):
    """Sets every discrete site to states chosen at random, and notes what it has and chose."""

    def __init__(self, point: Mapping[str, torch.Tensor], generator: torch.Generator) -> None:
        super().__init__(point, self._choose)
        self.generator = generator
        self.variables: dict[str, Variable] = {}
        self.chosen: dict[str, torch.Tensor] = {}

    def _choose(self, msg: Mapping[str, Any]) -> torch.Tensor:
        name = msg["name"]
        states = states_of(name, msg["fn"])
        variable = self.variables[name] = Variable(name, states, tuple(msg["fn"].batch_shape))
        return states[self._index(variable)]

    def _index(self, variable: Variable) -> torch.Tensor:
        index = torch.randint(variable.size, variable.batch, generator=self.generator)
        self.chosen[variable.name] = index
        return index


class Followed(Assigned):
    """The same with dimensions of one element to the left of all plates, followed.

    An index of no dimensions would be read in Python by torch itself.
    """

    def __init__(
        self,
        point: Mapping[str, torch.Tensor],
        generator: torch.Generator,
        plain: Assigned,
        rank: int,
    ) -> None:
        super().__init__(point, generator)
        self.plain = plain
        self.rank = rank
        self.lineage = Lineage()

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if not is_latent(msg):
            super()._pyro_sample(msg)
            return
        sources = frozenset.union(*map(self.lineage.of, _bounds(msg["fn"])))
        if not sources:
            super()._pyro_sample(msg)
            sources = self.lineage.of(msg["value"]) - {msg["name"]}
        if sources:
            raise ModelError(_moving_support(msg["name"], sources))

    def _choose(self, msg: Mapping[str, Any]) -> torch.Tensor:
        name = msg["name"]
        if name not in self.plain.variables:
            raise ModelError(sites_change(name, "was not in the first run of the program"))
        states = states_of(name, msg["fn"])
        variable = self.plain.variables[name]
        index = self._index(variable)
        lead = (1,) * (self.rank + 1 - index.dim())
        value = states[index].reshape(lead + variable.batch + tuple(states.shape[1:]))
        # The states themselves may have been made from another site's value.
        self.lineage.mark(value, frozenset({name}) | self.lineage.of(states))
        return value


def _bounds(distribution: Any) -> list[torch.Tensor]:
    """The tensors that bound the support of a distribution; an empty one where none do."""
    support = continuous_support(support_of(distribution))
    while isinstance(support, constraints.independent):
        support = support.base_constraint
    bounds = (getattr(support, name, None) for name in ("lower_bound", "upper_bound"))
    return [torch.empty(0), *(bound for bound in bounds if isinstance(bound, torch.Tensor))]


def _moving_support(name: str, sources: frozenset[str]) -> str:
    return (
        f"The support of site {name!r} depends on discrete latent site {min(sources)!r}, which "
        "therefore cannot be summed out. Give the site the same support whatever the discrete "
        "site is, for instance a unit interval that is scaled afterwards, or the largest "
        "total_count."
    )
