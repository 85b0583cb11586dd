"""Running a program forward at given latent values: what predictive groups are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from probgen.declare.discrete.scalars import index_by_scalars
from probgen.declare.environment import double_precision, isolated, tracing
from probgen.declare.program import (
    PlacePrior,
    Program,
    Site,
    describe_site,
    is_latent,
    is_statement,
    site_kind,
)
from probgen.errors import ModelError

__all__ = ["simulate"]


class _Replay(PlacePrior):
    """Sets latent sites to given values and draws what was observed anew."""

    def __init__(self, values: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self.values = values

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if is_statement(msg) and site_kind(msg) == "observed":
            msg["value"], msg["is_observed"], msg["done"] = None, False, False
        if is_latent(msg) and msg["name"] in self.values:
            msg["value"], msg["done"] = self.values[msg["name"]], True
        else:
            super()._pyro_sample(msg)


def simulate(
    program: Program, latent: Mapping[str, np.ndarray], seed: int, chunk: int = 500
) -> dict[str, tuple[Site, np.ndarray]]:
    """Draws of all sites that `latent` does not set, one for every row of its arrays.

    `latent` maps site names to constrained values of shape (n, *shape of the site). Rows run
    together under `torch.vmap` where the program allows, in chunks that bound memory, otherwise
    one after another. Returns each site with its values of shape (n, *shape): observed sites
    are sampled, deterministic ones computed. The site's shape is that of one draw.
    """
    rows = {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in latent.items()}
    count = len(next(iter(rows.values()))) if rows else 0
    sites: dict[str, Site] = {}

    def run(values: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        trace = program.trace_with(_Replay(values))
        drawn = {}
        for name, message in trace.nodes.items():
            if name in rows or not is_statement(message) or site_kind(message) == "factor":
                continue
            sites.setdefault(name, describe_site(name, message))
            drawn[name] = message["value"]
        return drawn

    with tracing(), double_precision(), isolated(seed), torch.no_grad(), index_by_scalars():
        run({name: value[0] for name, value in rows.items()} if count else {})
        values = _together(run, rows, chunk) or _one_by_one(run, rows, count)
    return {name: (site, values[name]) for name, site in sites.items() if name in values}


_Run = Callable[[Mapping[str, torch.Tensor]], dict[str, torch.Tensor]]


def _together(
    run: _Run, rows: Mapping[str, torch.Tensor], chunk: int
) -> dict[str, np.ndarray] | None:
    """All rows under vmap; None when the program cannot be batched so."""
    batched = torch.vmap(run, randomness="different", chunk_size=chunk)
    try:
        return {name: value.numpy() for name, value in batched(dict(rows)).items()}
    except (RuntimeError, ValueError, NotImplementedError, TypeError):
        return None


def _one_by_one(run: _Run, rows: Mapping[str, torch.Tensor], count: int) -> dict[str, np.ndarray]:
    results = [run({name: value[i] for name, value in rows.items()}) for i in range(count)]
    if not results:
        raise ModelError("There are no draws to predict from: the posterior is empty.")
    return {name: np.stack([row[name].numpy() for row in results]) for name in results[0]}
