"""A Pyro program with its data, evaluated at unconstrained values of its latent sites.

`Program.evaluate` gives everything inference needs: the log density with the Jacobians of the
transforms, constrained values, log probabilities per site. The support of a site is asked anew
at each run, so that bounds may depend on other sites. `program` reads a program into this form.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from pyro import poutine
from pyro.poutine.messenger import Messenger

from probgen.declare.checks.failure import without_shapes
from probgen.declare.data import name_of
from probgen.declare.discrete.read import read_enumeration
from probgen.declare.discrete.stacking import broadcast_stacks
from probgen.declare.enumeration import Enumeration, Marginals
from probgen.declare.environment import FixParameters, double_precision, isolated, tracing
from probgen.declare.placing import (
    FloatObservations,
    PlacePrior,
    PlaceUnconstrained,
    ReadUnconstrained,
    Unscored,
    fill_masked,
    mask_of,
)
from probgen.declare.sites import Plate, Site, sample_sites, site_kind
from probgen.errors import ModelError, ProbgenError

__all__ = ["Evaluation", "Program"]


@dataclass
class Evaluation:
    """A program evaluated at one point: `log_density` in nats, and its parts."""

    log_density: torch.Tensor
    latent: dict[str, torch.Tensor]
    deterministic: dict[str, torch.Tensor]
    log_likelihood: dict[str, torch.Tensor]
    log_prior: dict[str, torch.Tensor]


@dataclass
class Program:
    """A Pyro program with its data: sites, plates, and evaluation at unconstrained values."""

    model: Callable[..., Any]
    data: dict[str, Any]
    sites: dict[str, Site] = field(default_factory=dict)
    plates: dict[str, Plate] = field(default_factory=dict)
    observed: dict[str, torch.Tensor] = field(default_factory=dict)
    needs_widening: bool = True
    jacobian: bool = True
    """Whether the log density has the transforms' Jacobians, as every posterior must."""

    @property
    def name(self) -> str:
        """The program's name, for messages."""
        return name_of(self.model)

    def of_kind(self, kind: str) -> list[Site]:
        """Sites of one kind, in the order of the program."""
        return [site for site in self.sites.values() if site.kind == kind]

    @property
    def latents(self) -> list[Site]:
        """The continuous latent sites: the coordinates of the density."""
        return [site for site in self.of_kind("latent") if not site.discrete]

    @property
    def enumerated(self) -> list[Site]:
        """The discrete latent sites, which are summed out of the density."""
        return [site for site in self.of_kind("latent") if site.discrete]

    @cached_property
    def enumeration(self) -> Enumeration | None:
        """How the discrete latent sites are summed out; None when there are none.

        Raises `ModelError` naming a site that cannot be summed out, with the cure.
        """
        if not self.enumerated:
            return None
        with self.environment():
            return read_enumeration(self.model, self.trace_with, self.latents)

    @cached_property
    def masks(self) -> dict[str, torch.Tensor]:
        """Which observations count, of the observed sites where a mask leaves some out.

        Boolean, of the batch shape of the site; read off a run at prior draws.
        """
        with self.environment(), torch.no_grad():
            trace = self.trace_with(PlacePrior())
        found = {}
        for name, message in sample_sites(trace):
            site, mask = self.sites.get(name), mask_of(message)
            if site is None or site.kind != "observed" or mask is True:
                continue
            batch = site.shape[: len(site.shape) - site.event_dim]
            counted = torch.as_tensor(mask).expand(batch)
            if not bool(counted.all()):
                found[name] = counted
        return found

    def plates_of(self, kind: str, name: str) -> tuple[str | None, ...]:
        """The plate of each batch dimension of an output, `kind` as in `Density.outputs`."""
        enumeration = self.enumeration
        if enumeration is None or kind not in ("log_likelihood", "log_prior"):
            return self.sites[name].plates
        for component in enumeration.components:
            if name == component.label or name in component.continuous:
                member = self.sites[(component.observed or component.continuous)[0]]
                return tuple(member.plates[dim] for dim, _ in sorted(component.plates))
        return self.sites[name].plates

    def evaluate(self, unconstrained: Mapping[str, torch.Tensor]) -> Evaluation:
        """Run the program at unconstrained values of its latent sites, in float64.

        The log density is with respect to the unconstrained values: the log absolute
        determinants of the transforms' Jacobians are in it, and in no site's `log_prior`.
        """
        with self.environment():
            return self.evaluate_inside(unconstrained)

    @contextlib.contextmanager
    def environment(self) -> Iterator[None]:
        """What `evaluate_inside` needs around it; entered once where many calls follow."""
        with tracing(), double_precision(self.needs_widening), isolated():
            yield

    def evaluate_inside(self, unconstrained: Mapping[str, torch.Tensor]) -> Evaluation:
        """`evaluate` for a caller that has entered `environment` already."""
        return _collect(self, *self._summed_out(unconstrained))

    def trace_at(self, unconstrained: Mapping[str, torch.Tensor]) -> tuple[Any, torch.Tensor]:
        """The Pyro trace at unconstrained values with its log densities, and their sum.

        Discrete latent sites have all their states at once in the trace, and are summed out of
        the sum. Call it inside `environment`. Raises `ModelError` when the program's latent
        sites are not those of its first run.
        """
        trace, total, _ = self._summed_out(unconstrained)
        return trace, total

    def tables_at(self, unconstrained: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
        """The log densities that depend on discrete sites, as tables; see `Enumeration`."""
        if self.enumeration is None:
            return []
        return self.enumeration.tables(self._run_at(unconstrained)[0])

    def values_given(
        self,
        unconstrained: Mapping[str, torch.Tensor],
        discrete: Mapping[str, torch.Tensor],
    ) -> dict[str, torch.Tensor]:
        """Deterministic sites that depend on discrete ones, at given values of these.

        Call it inside `environment`.
        """
        trace = self.trace_with(PlaceUnconstrained(unconstrained, lambda m: discrete[m["name"]]))
        wanted = self.enumeration.deterministic if self.enumeration else ()
        return {name: trace.nodes[name]["value"] for name in wanted}

    def _run_at(self, unconstrained: Mapping[str, torch.Tensor]) -> tuple[Any, list[torch.Tensor]]:
        """The trace with its log densities, and the log Jacobians."""
        enumeration = self.enumeration
        states = enumeration.all_states if enumeration else None
        placed = PlaceUnconstrained(unconstrained, states)
        with broadcast_stacks(enumeration is not None):
            trace = self.trace_with(placed)
        placed.check_all_placed()
        fill_masked(trace)
        trace.compute_log_prob()
        return trace, placed.log_jacobian if self.jacobian else []

    def _summed_out(
        self, unconstrained: Mapping[str, torch.Tensor]
    ) -> tuple[Any, torch.Tensor, Marginals | None]:
        trace, terms = self._run_at(unconstrained)
        marginals = self.enumeration.marginals(trace) if self.enumeration else None
        dependent = self.enumeration.dependent if self.enumeration else ()
        terms += [
            message["log_prob_sum"]
            for name, message in sample_sites(trace)
            if not message["infer"].get("_deterministic") and name not in dependent
        ]
        if marginals is not None:
            terms.append(marginals.log_density)
        total = sum(terms[1:], start=terms[0]) if terms else torch.zeros(())
        return trace, torch.as_tensor(total), marginals

    def unconstrain(
        self, values: Mapping[str, Any] | None = None, seed: int = 0
    ) -> dict[str, torch.Tensor]:
        """Unconstrained values of a run with latent sites at `values`, the rest from the prior.

        `values` are on the constrained scale and broadcast to the shape of their site. Raises
        `ModelError` naming a site without such a name, of another shape or outside its support.
        """
        given = dict(values or {})
        latent = {site.name for site in self.latents}
        unknown = sorted(set(given) - latent)
        if unknown:
            raise ModelError(
                f"The program {self.name!r} has no latent site named {unknown[0]!r}; "
                f"its latent sites are {', '.join(sorted(latent))}."
            )
        reader = ReadUnconstrained(given)
        with tracing(), double_precision(self.needs_widening), isolated(seed):
            self.trace_with(reader)
        return reader.unconstrained

    def trace_with(self, handler: Messenger) -> Any:
        """A Pyro trace of the program under `handler`, inside `environment`."""
        with FixParameters(), FloatObservations(), Unscored(), handler:
            try:
                return poutine.trace(self.model).get_trace(**self.data)
            except ProbgenError as raised:  # our own words, to which Pyro has added a table
                raise type(raised)(without_shapes(str(raised))) from raised.__cause__


def _collect(
    program: Program, trace: Any, log_density: torch.Tensor, marginals: Marginals | None
) -> Evaluation:
    enumeration = program.enumeration
    dependent = enumeration.dependent | enumeration.deterministic if enumeration else frozenset()
    evaluation = Evaluation(log_density, {}, {}, {}, {})
    for name, message in sample_sites(trace):
        kind = site_kind(message)
        if kind == "latent" and not (enumeration and name in enumeration.positions):
            evaluation.latent[name] = message["value"]
        if name in dependent:
            continue
        if kind == "observed":
            evaluation.log_likelihood[name] = message["log_prob"]
        elif kind == "deterministic":
            evaluation.deterministic[name] = message["value"]
        elif kind == "latent":
            evaluation.log_prior[name] = message["log_prob"]
    if marginals is not None:
        evaluation.log_likelihood |= marginals.log_likelihood
        evaluation.log_prior |= marginals.log_prior
    return evaluation
