"""Drawing parameters and data from a Pyro program, and the same program with those data.

Only the values of the observed sites change: the arguments of the program, and with them all
that it reads off its data (sizes, regressors, lagged values), stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pyro
import torch
from pyro.poutine.messenger import Messenger

from probgen.declare.environment import double_precision, isolated, tracing
from probgen.declare.program import Program
from probgen.declare.sites import is_latent, is_statement, sample_sites, site_kind
from probgen.errors import ModelError, OptionError

__all__ = ["Drawn", "draw_joint", "observed_sites", "with_data"]

REPLICATED = "_replicated"
"""Ending of the name of a second set of observations, beside the real ones."""


@dataclass(frozen=True)
class Drawn:
    """One draw of a program: constrained values of its latent sites, and its data."""

    latent: dict[str, torch.Tensor]
    observed: dict[str, torch.Tensor]


def draw_joint(
    program: Program,
    observed: Collection[str],
    seed: int,
    latent: Mapping[str, torch.Tensor] | None = None,
) -> Drawn:
    """Run `program` forward: latent sites from the prior, or at `latent`, then its data.

    Raises `ModelError` naming a site that cannot be drawn (improper, or a factor).
    """
    handler = _Forward(latent or {})
    with tracing(), double_precision(), isolated(seed), torch.no_grad():
        trace = program.trace_with(handler)
    drawn = ((name, m) for name, m in sample_sites(trace) if name in handler.drawn)
    values = {name: message["value"].detach() for name, message in drawn}
    missing = sorted(set(observed) - set(values))
    if missing:
        raise OptionError(
            f"observed: the program {program.name!r} draws no site named {missing[0]!r}; it draws "
            f"{', '.join(sorted(values)) or 'none'}."
        )
    return Drawn(
        {name: value for name, value in values.items() if name not in observed},
        {name: values[name] for name in observed},
    )


def observed_sites(program: Program, asked: Collection[str] | None, seed: int = 0) -> list[str]:
    """Names of the sites whose values are data, `asked` for or observed with these data.

    Raises `OptionError` when there are none, or for a name that no site has.
    """
    with tracing(), double_precision(), isolated(seed), torch.no_grad():
        trace = program.trace_with(_Forward({}))
    kinds = {name: bool(m["infer"].get("_data")) for name, m in sample_sites(trace)}
    if asked is None:
        found = [name for name, is_data in kinds.items() if is_data]
        if not found:
            raise OptionError(
                f"The program {program.name!r} observes nothing with these data, so that its "
                "posterior is its prior. Pass data of the right shapes (their values do not "
                "matter), or name the sites to observe: observed=['y']."
            )
        return found
    unknown = [name for name in asked if name not in kinds]
    if unknown:
        raise OptionError(
            f"observed: the program {program.name!r} has no site named {unknown[0]!r}; it has "
            f"{', '.join(kinds)}."
        )
    return list(asked)


def with_data(
    model: Callable[..., Any],
    values: Mapping[str, torch.Tensor],
    beside: bool = False,
) -> Callable[..., Any]:
    """`model` with its sites observed at `values`; `beside` keeps its real data, too.

    The second set is then a site of its own, `NAME_replicated`, with the same distribution.
    """
    handler = _ObserveBeside(values) if beside else _Observe(values)
    return handler(model)


class _Forward(Messenger):
    """Draws every site: latent ones from given values or the prior, observed ones anew."""

    def __init__(self, latent: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self.latent = latent
        self.drawn: set[str] = set()

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if not is_statement(msg):
            return
        kind = site_kind(msg)
        if kind == "factor":
            raise ModelError(
                f"Site {msg['name']!r} is a factor, a term of the density that nothing can be "
                "drawn from: calibration needs a program that draws its parameters and data. "
                "Write the term as pyro.sample(..., obs=...)."
            )
        if kind == "observed":
            msg["value"], msg["is_observed"], msg["done"] = None, False, False
            msg["infer"]["_data"] = True
        if kind == "deterministic" or not is_latent(msg):
            return
        name = msg["name"]
        self.drawn.add(name)
        given = self.latent.get(name) if kind == "latent" else None
        msg["value"] = given if given is not None else _draw(name, msg["fn"])
        msg["done"] = True


def _draw(name: str, distribution: Any) -> torch.Tensor:
    try:
        return getattr(distribution, "sample", distribution)().detach()
    except NotImplementedError as error:
        raise ModelError(
            f"Site {name!r}: nothing can be drawn from {type(distribution).__name__}, and "
            "calibration starts from draws of the prior. Give the site a proper prior."
        ) from error


class _Observe(Messenger):
    """Observes sites at given values, whether they were latent or observed."""

    def __init__(self, values: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self.values = values

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if msg["name"] in self.values:
            msg["value"], msg["is_observed"] = self.values[msg["name"]], True


class _ObserveBeside(_Observe):
    """Observes given values beside the real ones, as sites of their own."""

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if msg["name"] in self.values:
            pyro.sample(msg["name"] + REPLICATED, msg["fn"], obs=self.values[msg["name"]])
