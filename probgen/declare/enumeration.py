"""The discrete latent sites of a program, summed out of its log density.

`Enumeration` says which sites are variables, which statements depend on them (`factors`), and
which of these hang together (`components`); `discrete.read` finds that out. Given the trace of
a run in which every variable takes all its states at once, it computes the exact log density
of the continuous sites, and the log densities of the observed ones with the variables summed
out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from probgen.declare.discrete.factors import Component, Factor, components_of
from probgen.declare.discrete.tables import Contraction
from probgen.declare.discrete.variables import Variable
from probgen.errors import ModelError

__all__ = ["Enumeration", "Marginals"]


@dataclass
class Marginals:
    """What is left of a run when the variables are summed out (nats).

    `log_density` of everything that depends on variables, `log_likelihood` of the observed
    sites (several together under one name where they depend on each other) and `log_prior` of
    continuous ones, one value per independent element.
    """

    log_density: torch.Tensor
    log_likelihood: dict[str, torch.Tensor] = field(default_factory=dict)
    log_prior: dict[str, torch.Tensor] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Enumeration:
    """The discrete structure of a program; `rank` is the number of its batch dimensions.

    `deterministic` names the deterministic sites that depend on a variable, `sites` all sites.
    """

    variables: tuple[Variable, ...]
    factors: tuple[Factor, ...]
    deterministic: frozenset[str]
    sites: frozenset[str]
    rank: int

    @cached_property
    def positions(self) -> dict[str, int]:
        """Where a variable stands, by name."""
        return {variable.name: v for v, variable in enumerate(self.variables)}

    @cached_property
    def dependent(self) -> frozenset[str]:
        """Names of all sites whose log density depends on a variable."""
        return frozenset(factor.name for factor in self.factors)

    @cached_property
    def components(self) -> tuple[Component, ...]:
        """The independent parts; raises `ModelError` for one that cannot be summed out."""
        return components_of(self.factors, self.variables, self.sites)

    @cached_property
    def _leftmost(self) -> int:
        return self.rank + max(-variable.dim for variable in self.variables)

    @property
    def largest(self) -> int:
        """Entries of the largest table that a sum goes through."""
        return max(component.order.largest for component in self.components)

    @cached_property
    def entries(self) -> int:
        """Entries of all tables, those of the program and those on the way."""
        tables = [(factor.scope, factor.plates) for factor in self.factors]
        for component in self.components:
            tables += [(step.scope, step.plates) for step in component.order.steps]
        return sum(
            math.prod(self.variables[v].size for v in scope) * math.prod(n for _, n in plates)
            for scope, plates in tables
        )

    def all_states(self, message: Mapping[str, Any]) -> torch.Tensor:
        """The value of a discrete site at all its states at once."""
        position = self.positions.get(message["name"])
        if position is None:
            raise ModelError(
                f"Site {message['name']!r} was not in the first run of the program: the set of "
                "sites changes from run to run. Make the control flow independent of random "
                "values, for instance with torch.where."
            )
        return self.variables[position].all_states(message)

    def tables(self, trace: Any) -> list[torch.Tensor]:
        """The log densities of the factors, as tables over their variables."""
        return [
            self.table(factor, trace.nodes[factor.name]["log_prob"]) for factor in self.factors
        ]

    def table(self, factor: Factor, log_prob: torch.Tensor) -> torch.Tensor:
        """A log density with one dimension per variable, ascending, before the batch."""
        full = _padded(log_prob, self._leftmost)
        order = sorted(factor.scope, key=lambda v: self.variables[v].dim)
        sizes = [full.shape[self.variables[v].dim] for v in order]
        batch = full.shape[full.dim() - self.rank :]
        if full.numel() != _count(sizes) * _count(batch):
            raise ModelError(self.unlike(factor))
        packed = full.reshape(*sizes, *batch)
        ascending = [order.index(v) for v in factor.scope]
        if ascending != sorted(ascending):
            packed = packed.permute(*ascending, *range(len(order), packed.dim()))
        return packed

    def unlike(self, factor: Factor) -> str:
        """The text of the error for a site whose table is not what single values give."""
        names = ", ".join(repr(self.variables[v].name) for v in factor.scope)
        return (
            f"Site {factor.name!r} does not fit all values of discrete latent site {names} at "
            "once, as summing out needs: its log density differs from that at single values. "
            "A discrete site gets dimensions to the left of its plates: index with it by "
            "pyro.ops.indexing.Vindex(table)[i, z] or table[z], count dimensions from the right "
            "(dim=-1), and let no element of a plate depend on another one's value."
        )

    def marginals(self, trace: Any) -> Marginals:
        """Everything that depends on variables, with these summed out."""
        tables = self.tables(trace)
        result = Marginals(torch.zeros((), dtype=torch.float64))
        totals = []
        for component in self.components:
            chosen = [tables[n] for n in component.factors]
            joint = Contraction(component.order, chosen, self.rank).roots(component.plates)
            totals.append(joint.sum())
            self._split(component, joint, tables, result)
        result.log_density = sum(totals[1:], start=totals[0])
        return result

    def _split(
        self,
        component: Component,
        joint: torch.Tensor,
        tables: Sequence[torch.Tensor],
        result: Marginals,
    ) -> None:
        """The parts of a component's sum that belong to its observed and continuous sites."""
        prior = None
        if component.prior is not None:
            chosen = [tables[n] for n in component.prior_factors]
            prior = Contraction(component.prior, chosen, self.rank).roots(component.plates)
        shape = tuple(size for _, size in sorted(component.plates))
        if component.observed:
            likelihood = joint if prior is None else joint - prior
            result.log_likelihood[component.label] = likelihood.reshape(shape)
        if len(component.continuous) == 1 and prior is not None:
            result.log_prior[component.continuous[0]] = prior.reshape(shape)


def _padded(tensor: torch.Tensor, rank: int) -> torch.Tensor:
    missing = rank - tensor.dim()
    return tensor.reshape((1,) * missing + tuple(tensor.shape)) if missing > 0 else tensor


def _count(sizes: Iterable[int]) -> int:
    return torch.Size(tuple(sizes)).numel()
