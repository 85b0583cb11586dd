"""Does a guide fit its model? A run of it, and what training's own checks do not look at.

What does not fit would otherwise come to light as a wrong posterior, or as an error in the midst
of Pyro.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from pyro import poutine

from probgen.declare.checks.failure import failure
from probgen.declare.data import name_errors
from probgen.declare.sites import is_statement, site_kind
from probgen.declare.supports import continuous_support, is_discrete, support_of, support_words
from probgen.errors import DataError, ModelError
from probgen.learn.variational.checks import check_pair

__all__ = ["check_agreement", "guide_sites", "run_guide"]

_DRAWS = 100

Sites = Mapping[str, dict[str, Any]]


def run_guide(guide: Callable[..., Any], data: Mapping[str, Any]) -> Any:
    """A trace of the guide; raises `DataError` or `ModelError` saying why there is none."""
    try:
        trace = poutine.trace(guide).get_trace(**data)
    except Exception as raised:  # a program of the user's may raise anything
        if (wrong := name_errors(guide, data)) and isinstance(raised, TypeError):
            text = wrong[0][1].replace("The program ", "The guide ", 1)
            raise DataError(
                f"{text} It must take the arguments {', '.join(data)} of the model, by name."
            ) from raised
        told = failure(guide, raised)
        text = told.message.replace("The program ", "The guide ", 1)
        raise ModelError(f"{text} {told.cure}".strip()) from raised
    return trace


def guide_sites(trace: Any) -> dict[str, dict[str, Any]]:
    """Sample statements of a guide's trace that stand for latent sites of the model."""
    return {
        name: message
        for name, message in trace.nodes.items()
        if is_statement(message)
        and not message["is_observed"]
        and not message["infer"].get("is_auxiliary")
    }


def check_agreement(model: Sites, guide: Sites) -> list[str]:
    """Raise `ModelError` for the first latent site that does not fit; notes on what is missed.

    `model` and `guide` are messages by site: of the model, run at its prior, and of the guide.
    Discrete sites that the guide lacks are summed out.
    """
    latent = {n: m for n, m in model.items() if site_kind(m) == "latent"}
    asked = {
        name: message
        for name, message in model.items()
        if name not in latent or name in guide or not is_discrete(support_of(message["fn"]))
    }
    check_pair(asked, guide)
    notes: list[str] = []
    for name in latent.keys() & guide.keys():
        notes += _support(name, latent[name]["fn"], guide[name]["fn"])
    return sorted(notes)


def _support(name: str, prior: Any, guide: Any) -> list[str]:
    """Raise `ModelError` where the guide draws what the model forbids; a note the other way."""
    if type(guide).__name__ == "Delta":
        return []
    supports = support_of(prior), support_of(guide)
    kinds = ["discrete" if is_discrete(support) else "continuous" for support in supports]
    if kinds[0] != kinds[1]:
        raise ModelError(
            f"Site {name!r} is {kinds[0]} in the model and {kinds[1]} in the guide: give the "
            f"guide a {kinds[0]} distribution there."
        )
    words = [support_words(support) for support in supports]
    if not _holds(supports[0], guide):
        raise ModelError(
            f"Site {name!r} takes values that are {words[0]} in the model, and the guide draws "
            f"others (its support is {words[1] or 'unknown'}). Give the guide a distribution on "
            f"{words[0]}, such as TransformedDistribution(Normal(...), biject_to(support))."
        )
    if not _holds(supports[1], prior):
        return [
            f"The guide draws {name!r} on {words[1]} alone, and the model allows {words[0]}: what "
            "lies outside is missed."
        ]
    return []


def _holds(support: Any, distribution: Any) -> bool:
    """Whether a support holds draws of a distribution; true where nobody can draw or tell.

    Draws of the guide that lie outside are then found when they are judged: they have no density.
    """
    try:
        inside = continuous_support(support).check(distribution.sample((_DRAWS,)))
    except (NotImplementedError, ValueError):  # improper priors; supports known at values alone
        return True
    return bool(torch.as_tensor(inside).all())
