"""A program held against its guide before training: every complaint names the site and a cure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from probgen.declare.checks.problem import raise_errors
from probgen.declare.checks.unscored import unscored_problems
from probgen.declare.sites import is_implicit, sample_sites
from probgen.declare.supports import is_discrete, support_of, support_words
from probgen.errors import ModelError
from probgen.learn.training.probe import traced
from probgen.learn.training.protocol import Batch
from probgen.learn.variational.run import Message, is_auxiliary

__all__ = [
    "check_pair",
    "check_reparameterised",
    "check_scored",
    "enumerated",
    "is_factor",
    "latents",
]


def latents(sites: Mapping[str, Message]) -> dict[str, Message]:
    """Sites that are drawn."""
    return {name: site for name, site in sites.items() if not site["is_observed"]}


def enumerated(message: Message) -> bool:
    """Whether a site asks to be summed out."""
    return message["infer"].get("enumerate") is not None


def is_factor(message: Message) -> bool:
    """Whether a site is a term of the log density and nothing else."""
    return type(message["fn"]).__name__ == "Unit"


def check_scored(model: Any, batch: Batch) -> None:
    """Raise `ModelError` for a program with a site that has no density."""
    trace = traced(model, batch)
    raise_errors(unscored_problems(trace))
    for name, site in sample_sites(trace):
        if is_implicit(site):
            raise ModelError(_computed(name))


def check_pair(
    model: Mapping[str, Message], guide: Mapping[str, Message], named: str = ""
) -> None:
    """Raise `ModelError` unless the guide draws every latent site of the program, as it does.

    `named` is the guide's name if it was chosen by name.
    """
    drawn = {n: s for n, s in guide.items() if not s["is_observed"]}
    wanted = latents(model)
    for name, site in wanted.items():
        if is_implicit(site):
            raise ModelError(_computed(name))
        if name not in drawn and not enumerated(site):
            raise ModelError(_missing(name, site, drawn, named))
    for name, site in drawn.items():
        if name in model and model[name]["is_observed"]:
            raise ModelError(
                f"The guide draws the site {name!r}, which the program observes: take "
                f"pyro.sample({name!r}, ...) out of the guide."
            )
        if name not in model and not is_auxiliary(site) and not is_factor(site):
            raise ModelError(
                f"The guide draws the site {name!r}, which the program does not have (it has "
                f"{_listed(wanted)}): rename it, take it out, or mark it with "
                "infer={'is_auxiliary': True} if it only helps to draw another."
            )
    for name, site in wanted.items():
        if name in drawn:
            _check_alike(name, site, drawn[name])


def check_reparameterised(
    sites: Mapping[str, Message], what: str, cure: str, of: str = "guide"
) -> None:
    """Raise `ModelError` for a site that is drawn, and whose draws have no gradient."""
    for name, site in latents(sites).items():
        if not getattr(site["fn"], "has_rsample", False):
            kind = type(_innermost(site["fn"])).__name__
            raise ModelError(
                f"{what} needs draws that can be differentiated, and the site {name!r} of the "
                f"{of} is {kind}, whose draws cannot: {cure}"
            )


def _computed(name: str) -> str:
    return (
        f"The site {name!r} has no density (Implicit), and a guide draws whatever is not "
        f"observed: declare it as pyro.deterministic({name!r}, value)."
    )


def _missing(name: str, site: Message, drawn: Mapping[str, Any], named: str) -> str:
    if named:
        support = support_of(site["fn"])
        cure = (
            "mark it to be summed out, infer={'enumerate': 'parallel'}"
            if is_discrete(support)
            else "write the guide yourself"
        )
        return f"The guide {named!r} has nothing for the site {name!r}: {cure}."
    close = f" (it draws {_listed(drawn)})" if drawn else ""
    return (
        f"The guide lacks the site {name!r}, which the program draws{close}: add "
        f"pyro.sample({name!r}, ...) with draws of shape {tuple(site['value'].shape)} for these "
        "rows to the guide, or mark a discrete site of the program to be summed out, "
        "infer={'enumerate': 'parallel'}."
    )


def _check_alike(name: str, model: Message, guide: Message) -> None:
    wanted, given = tuple(model["value"].shape), tuple(guide["value"].shape)
    if wanted != given:
        raise ModelError(
            f"The site {name!r} has the shape {given} in the guide and {wanted} in the program "
            "(for the same rows): let the guide draw as many numbers, in the same plates."
        )
    events = model["fn"].event_dim, guide["fn"].event_dim
    if events[0] != events[1]:
        raise ModelError(
            f"The site {name!r} has {events[1]} event dimensions in the guide and {events[0]} in "
            f"the program: add .to_event({events[0]}) to its distribution in the guide."
        )
    plates = [{f.name for f in site["cond_indep_stack"]} for site in (model, guide)]
    if plates[0] != plates[1]:
        raise ModelError(
            f"The site {name!r} stands in the plates {sorted(plates[0])} in the program and in "
            f"{sorted(plates[1])} in the guide: open the same plates in the guide."
        )
    _check_support(name, model["fn"], guide)


def _check_support(name: str, prior: Any, guide: Message) -> None:
    support = support_of(prior)
    if bool(torch.isnan(torch.as_tensor(guide["value"])).any()):
        raise ModelError(
            f"The guide draws NaN at {name!r}, from {type(_innermost(guide['fn'])).__name__}: its "
            "parameters are not finite. Look at what the guide computes them from."
        )
    try:
        inside = bool(support.check(guide["value"]).all())
    except (NotImplementedError, AttributeError, RuntimeError):
        return
    if not inside:
        raise ModelError(
            f"The guide draws {name!r} outside its support: the program takes values that are "
            f"{support_words(support)}, and the guide has "
            f"{type(_innermost(guide['fn'])).__name__}, {support_words(support_of(guide['fn']))}. "
            "Take a distribution of that support, such as a transformed normal."
        )


def _innermost(distribution: Any) -> Any:
    while hasattr(distribution, "base_dist") and type(distribution).__name__ in (
        "Independent",
        "ExpandedDistribution",
        "MaskedDistribution",
    ):
        distribution = distribution.base_dist
    return distribution


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(map(repr, names)) or "none"
