"""Guides by name: Pyro's autoguides of a program's global sites.

A site in a plate of rows needs a guide that reads the row; what is drawn once for all data has
parameters of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from pyro import poutine
from pyro.infer import autoguide
from torch import nn

from probgen.declare.environment import isolated
from probgen.declare.supports import is_discrete, support_of
from probgen.errors import ModelError, OptionError
from probgen.learn.training.protocol import Batch
from probgen.learn.variational.checks import enumerated, latents
from probgen.learn.variational.run import Collect

__all__ = ["AUTOGUIDES", "bound_autoguide", "make_autoguide"]

AUTOGUIDES: dict[str, Callable[[Any, Any], Any]] = {
    "mean_field": lambda model, svi: autoguide.AutoNormal(model),
    "multivariate": lambda model, svi: autoguide.AutoMultivariateNormal(model),
    "low_rank": lambda model, svi: autoguide.AutoLowRankMultivariateNormal(model, rank=svi.ranks),
    "structured": lambda model, svi: autoguide.AutoStructured(model),
    "iaf": lambda model, svi: autoguide.AutoIAFNormal(
        model, hidden_dim=list(svi.hidden), num_transforms=svi.transforms
    ),
}
"""What a name stands for where a module is learned, given the settings of `SVI`."""


def make_autoguide(name: str, model: nn.Module, batch: Batch, svi: Any) -> nn.Module:
    """A guide of all latent sites, its parameters made.

    Raises `OptionError` for a name that only `infer` knows, `ModelError` for a site that it
    cannot draw.
    """
    if name not in AUTOGUIDES:
        known = ", ".join(map(repr, AUTOGUIDES))
        raise OptionError(
            f"SVI(guide={name!r}): fit knows the guides {known}; for others write the guide "
            "yourself, or find the posterior with infer."
        )
    summed = _check_sites(name, model, batch)
    program: Any = poutine.block(model, hide=summed) if summed else model
    return _made(AUTOGUIDES[name](program, svi), model, batch)


def bound_autoguide(guide: Any, model: nn.Module, batch: Batch) -> nn.Module:
    """A copy of an autoguide that reads the structure of `model`, not of its original."""
    _check_sites(type(guide).__name__, model, batch)
    guide._model = (model,)
    guide.prototype_trace = None
    return _made(guide, model, batch)


def _made(guide: nn.Module, model: nn.Module, batch: Batch) -> nn.Module:
    with torch.no_grad():
        guide(**batch)
    first = next(model.parameters(), None)
    return guide if first is None else guide.to(first.device)


def _check_sites(name: str, model: nn.Module, batch: Batch) -> list[str]:
    """Names of sites that are summed out. Raises `ModelError` for sites of rows."""
    runs = []
    with isolated(0), torch.no_grad():
        for rows in (1, 2):
            with Collect() as collect:
                model(**{key: value[:rows] for key, value in batch.items()})
            runs.append(latents(collect.sites))
    few, more = runs
    for site, message in more.items():
        if enumerated(message):
            continue
        if site not in few or few[site]["value"].shape != message["value"].shape:
            raise ModelError(
                f"The site {site!r} is drawn for every row, and the guide {name!r} does not read "
                "the data: give the program a method `guide(**data)` that draws it by a network "
                "of the row, or pass SVI(guide=...)."
            )
        if is_discrete(support_of(message["fn"])):
            raise ModelError(
                f"The site {site!r} is discrete, and the guide {name!r} is not: mark it to be "
                "summed out, infer={'enumerate': 'parallel'}, or write the guide yourself."
            )
    return [site for site, message in more.items() if enumerated(message)]
