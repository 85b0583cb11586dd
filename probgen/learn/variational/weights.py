"""Importance weights of the guide's draws, by particle and row."""

from __future__ import annotations

import torch
from torch import Tensor

from probgen.errors import ModelError
from probgen.learn.training.protocol import Batch
from probgen.learn.variational.layout import Layout, rows_of
from probgen.learn.variational.particles import Particles
from probgen.learn.variational.run import Message, Run

__all__ = ["check_rows_alone", "log_densities", "log_weights"]


def log_densities(runs: Particles, batch: Batch, detach: bool = False) -> tuple[Tensor, Tensor]:
    """log p(x, z) and log q(z), each (particle, row).

    Of a program with global sites one column for all rows, since the bound does not split then.
    """
    pairs = [
        (_summed(runs, run, run.model, batch), _summed(runs, run, run.guide, batch))
        for run in runs(batch, detach)
    ]
    model, guide = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    if _is_split(runs.layout):
        return model, guide
    return model.sum(1, keepdim=True), guide.sum(1, keepdim=True)


def log_weights(runs: Particles, batch: Batch) -> Tensor:
    """log p(x, z) - log q(z), (particle, row)."""
    model, guide = log_densities(runs, batch)
    return model - guide


def check_rows_alone(layout: Layout, what: str) -> None:
    """Raise `ModelError` where a weighted bound would have to be taken of a part of the data."""
    if _is_split(layout) or layout.whole:
        return
    name = next(
        n for n, s in {**layout.run.model, **layout.run.guide}.items() if not layout.is_row(s)
    )
    raise ModelError(
        f"{what} weights draws of all sites together, and the site {name!r} is drawn once for all "
        "rows, so that minibatches do not add up to it: train on all rows at once (batch_size), "
        "or take ELBO()."
    )


def _is_split(layout: Layout) -> bool:
    return all(map(layout.is_row, (*layout.run.model.values(), *layout.run.guide.values())))


def _summed(runs: Particles, run: Run, sites: dict[str, Message], batch: Batch) -> Tensor:
    """The log density of sites, (particle, row); global ones are put into the first row."""
    rows = rows_of(batch)
    found = None
    for message in sites.values():
        part = runs.by_row(message, run, rows)
        if part.shape[1] != rows:
            part = torch.nn.functional.pad(part, (0, rows - part.shape[1]))
        found = part if found is None else found + part
    return torch.zeros(run.particles, rows) if found is None else found
