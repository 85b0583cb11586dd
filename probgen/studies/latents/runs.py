"""Runs of a trained program for its pictures: cases drawn, read back, and decoded from latents.

Any program with a `guide` will do whose `forward` draws one case when it is given no data. What
is shown of a case is its mean given the latents, not a draw around that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pyro import poutine
from pyro.poutine.messenger import Messenger
from torch import Tensor, nn

from probgen.declare.environment import isolated
from probgen.declare.sites import is_implicit, sample_sites, site_kind
from probgen.learn.evaluating import evaluating

__all__ = ["decoded", "drawn_cases", "latent_values", "mean_of", "reconstructed", "run"]


def drawn_cases(model: nn.Module, site: str, count: int, seed: int = 0) -> Tensor:
    """Means of `site` given latents drawn from the program, (count, size)."""
    with evaluating(model), isolated(seed):
        return torch.cat([mean_of(run(model)[site]) for _ in range(count)])


def reconstructed(model: Any, data: Mapping[str, Tensor], site: str) -> Tensor:
    """Means of `site` given the guide's mean latents of each case, (case, size)."""
    with evaluating(model), isolated(0):
        values = {n: m["value"] for n, m in run(model.guide, dict(data), means=True).items()}
        with poutine.condition(data=values):
            return mean_of(run(model, dict(data))[site])


def latent_values(model: Any, data: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The guide's mean latents of each case, by site."""
    with evaluating(model), isolated(0):
        return {n: m["value"] for n, m in run(model.guide, dict(data), means=True).items()}


def decoded(model: nn.Module, site: str, latents: Mapping[str, Tensor]) -> Tensor:
    """The mean of `site` for one case, (1, size), given some of its latents, (1, ...) each.

    The others are at their means given these, or at their likeliest state.
    """
    with evaluating(model), isolated(0), poutine.condition(data=dict(latents)):
        return mean_of(run(model, means=True)[site])


def run(
    program: Any, data: Mapping[str, Any] | None = None, means: bool = False
) -> dict[str, Mapping[str, Any]]:
    """The sample statements of a run by name; with `means` latent sites are at their means."""
    handled = _AtMeans()(program) if means else program
    trace = poutine.trace(handled).get_trace(**(data or {}))
    return {
        name: message
        for name, message in sample_sites(trace)
        if site_kind(message) in ("latent", "observed") or is_implicit(message)
    }


def mean_of(message: Mapping[str, Any]) -> Tensor:
    """The mean of a statement's law; the likeliest state, or a draw, where there is none."""
    found = _mean(message["fn"])
    return message["value"] if found is None else found


def _mean(law: Any) -> Tensor | None:
    for name in ("mode",) if _is_category(law) else ("mean", "mode"):
        try:
            found = getattr(law, name)
        except (NotImplementedError, AttributeError):
            continue
        if not found.isnan().any():
            return found.expand(law.shape())
    return None


def _is_category(law: Any) -> bool:
    """Whether values are names of states, which have no mean."""
    while hasattr(law, "base_dist"):
        law = law.base_dist
    return "Categorical" in type(law).__name__ and "Relaxed" not in type(law).__name__


class _AtMeans(Messenger):
    """Puts every latent site at its mean."""

    def _pyro_sample(self, msg: Any) -> None:
        if msg["is_observed"] or not hasattr(msg["fn"], "event_shape"):
            return
        if (mean := _mean(msg["fn"])) is not None:
            msg["value"], msg["done"] = mean, True
