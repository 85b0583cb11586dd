"""A Pyro program with its data, evaluated at unconstrained values of its latent sites.

`Program.evaluate` gives everything inference needs: the log density with the Jacobians of the
transforms, constrained values, log probabilities per site. The support of a site is asked anew
at each run, so that bounds may depend on other sites. `program` reads a program into this form.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from pyro import poutine
from pyro.poutine.messenger import Messenger

from probgen.declare.data import name_of
from probgen.declare.environment import FixParameters, double_precision, isolated, tracing
from probgen.declare.placing import (
    FloatObservations,
    PlaceUnconstrained,
    ReadUnconstrained,
    fill_masked,
)
from probgen.declare.sites import Plate, Site, sample_sites, site_kind
from probgen.errors import ModelError

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
        return _collect(*self.trace_at(unconstrained))

    def trace_at(self, unconstrained: Mapping[str, torch.Tensor]) -> tuple[Any, torch.Tensor]:
        """The Pyro trace at unconstrained values with its log densities, and their sum.

        Call it inside `environment`. Raises `ModelError` when the program's latent sites are
        not those of its first run.
        """
        placed = PlaceUnconstrained(unconstrained)
        trace = self.trace_with(placed)
        placed.check_all_placed()
        fill_masked(trace)
        trace.compute_log_prob()
        terms = placed.log_jacobian + [
            message["log_prob_sum"]
            for _, message in sample_sites(trace)
            if not message["infer"].get("_deterministic")
        ]
        total = sum(terms[1:], start=terms[0]) if terms else torch.zeros(())
        return trace, torch.as_tensor(total)

    def unconstrain(
        self, values: Mapping[str, Any] | None = None, seed: int = 0
    ) -> dict[str, torch.Tensor]:
        """Unconstrained values of a run with latent sites at `values`, the rest from the prior.

        `values` are on the constrained scale and broadcast to the shape of their site. Raises
        `ModelError` naming a site without such a name, of another shape or outside its support.
        """
        given = dict(values or {})
        latent = {site.name for site in self.of_kind("latent")}
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
        with FixParameters(), FloatObservations(), handler:
            return poutine.trace(self.model).get_trace(**self.data)


def _collect(trace: Any, log_density: torch.Tensor) -> Evaluation:
    evaluation = Evaluation(log_density, {}, {}, {}, {})
    for name, message in sample_sites(trace):
        kind = site_kind(message)
        if kind == "observed":
            evaluation.log_likelihood[name] = message["log_prob"]
        elif kind == "deterministic":
            evaluation.deterministic[name] = message["value"]
        elif kind == "latent":
            evaluation.latent[name] = message["value"]
            evaluation.log_prior[name] = message["log_prob"]
    return evaluation
