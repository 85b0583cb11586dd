"""A program with its guide, evaluated case by case: log densities of latents given rows of data.

Several draws for a case are so many copies of its row: a program that takes rows takes those,
whatever its networks are.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyro
import torch
from pyro.nn import PyroModule
from torch import Tensor, nn

from probgen.declare.checks.problem import raise_errors
from probgen.declare.checks.unscored import unscored_problems
from probgen.errors import DataError, ModelError
from probgen.learn.training.domain import read_domain
from probgen.learn.training.information import DataInfo
from probgen.learn.training.probe import arguments_of, prior_shapes, traced
from probgen.learn.training.protocol import Batch
from probgen.learn.training.rows import Rows
from probgen.learn.training.source import read_rows
from probgen.learn.variational.layout import Layout, probe
from probgen.learn.variational.pair import Pair
from probgen.learn.variational.particles import Particles
from probgen.learn.variational.run import Collect, Message, Run

__all__ = ["Cases", "read_case_rows"]

_SHOWN = 100
"""Rows on which plates are looked at: one of some of the rows only, such as the labelled ones, may
be as long on two rows as on three."""


class Cases:
    """Rows of data, and the program and guide that they are given to.

    Raises `ModelError` for a program without a guide, or with a latent site that no plate of rows
    holds, `DataError` for data that do not fit.
    """

    def __init__(self, model: Any, data: Any) -> None:
        if not isinstance(model, nn.Module):
            raise ModelError(
                f"log_likelihood of a program takes a module whose cases are rows, not "
                f"{type(model).__name__}: declare it as class Model(PyroModule) with `forward`."
            )
        guided = callable(getattr(model, "guide", None))
        if not guided and not isinstance(model, PyroModule):
            raise ModelError(_without_guide(model))
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        first = next(self.model.parameters(), torch.zeros(()))
        self.device, self.dtype = first.device, first.dtype
        self.rows = read_case_rows(self.model, data, self.dtype, self.device)
        shown = min(len(self.rows), _SHOWN)
        info = DataInfo(len(self.rows), {}, shown, 1, self.device, self.rows)
        raise_errors(unscored_problems(traced(self.model, info.sample(2))))
        if not guided:
            raise ModelError(_without_guide(model))
        with pyro.validation_enabled(False):
            self.pair = Pair(self.model, None, info.sample(2))
            self.layout: Layout = probe(self.pair, info)
        for name, site in {**self.layout.run.guide, **self.layout.run.model}.items():
            if not self.layout.is_row(site) and not site["infer"].get("_deterministic"):
                raise ModelError(
                    f"The site {name!r} stands in no plate of rows, so that cases have no "
                    "log-likelihoods of their own: fix it (train it as a parameter), or put it "
                    "into the plate."
                )
        self._particles = Particles(self.pair, self.layout, 1)

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, numbers: Tensor, copies: int = 1) -> Batch:
        """Rows of some cases, `copies` of all of them one after another."""
        taken = self.rows.take(numbers)
        return {n: _tiled(v.to(self.device), copies) for n, v in taken.items()}

    @contextmanager
    def running(self) -> Iterator[None]:
        """What surrounds runs."""
        with pyro.validation_enabled(False):
            yield

    def log_weights(self, batch: Batch) -> Tensor:
        """log p(x, z) - log q(z | x) in float64 at a draw of the guide for every row, (row,)."""
        run = self.pair.run(batch)
        rows = len(next(iter(batch.values())))
        return self.total(run.model, run, rows) - self.total(run.guide, run, rows)

    def total(self, sites: dict[str, Message], run: Run, rows: int) -> Tensor:
        """The log density of all of some sites by row, (row,), float64."""
        found = torch.zeros(rows, dtype=torch.float64, device=self.device)
        for message in sites.values():
            part = self._particles.by_row(message, run, rows)[0].double()
            if len(part) != rows:
                raise ModelError(
                    f"The site {message['name']!r} stands in a plate of some of the cases only, "
                    "so that cases cannot be told apart: give log_likelihood cases of one kind at "
                    "a time, such as the labelled ones and then the others."
                )
            found = found + part
        return found

    def simulated(self, count: int, batch: Batch) -> tuple[dict[str, Message], Batch]:
        """Latent sites and data of the model itself, for `count` cases shaped like `batch`.

        Raises `ModelError` where observed values are computed from the data.
        """
        from probgen.learn.training.probe import observed_sites

        shown = {name: value[:count] for name, value in batch.items()}
        dreamt = self.pair.run_model(shown, Collect(simulate=True))
        sites = observed_sites(self.model, shown)
        seen = {site.site: site.argument for site in sites if site.argument is not None}
        lacking = next((s for s in dreamt.observed if s not in seen), None)
        if lacking is not None:
            raise ModelError(
                f"The site {lacking!r} observes something that the program computes from its data."
            )
        new = {seen[s]: dreamt.sites[s]["value"].to(shown[seen[s]].dtype) for s in dreamt.observed}
        latent = {n: m for n, m in dreamt.sites.items() if n not in dreamt.observed}
        return latent, {**shown, **new}


def read_case_rows(model: nn.Module, data: Any, dtype: torch.dtype, device: Any) -> Rows:
    """Data by the names of the program's arguments, checked against its sites.

    Raises `DataError`.
    """
    rows = read_rows(data, arguments_of(model), prior_shapes(model))
    if len(rows) < 2:
        raise DataError("log_likelihood needs two cases at least: rows are known by their number.")
    domain = read_domain(model, rows, dtype, _may_be_missing(rows), device)
    domain.check_rows(rows, device)
    return rows


def _without_guide(model: nn.Module) -> str:
    return (
        f"{type(model).__name__} is no Boltzmann machine, has no `log_prob`, and as a program "
        "with latent sites it has no `guide` to draw them from: give it one (a method or "
        "submodule named guide, with the arguments of forward)."
    )


def _may_be_missing(rows: Rows) -> bool:
    raw = rows.raw(torch.arange(len(rows))) if not rows.lazy else {}
    return any(v.is_floating_point() and bool(v.isnan().any()) for v in raw.values())


def _tiled(value: Tensor, copies: int) -> Tensor:
    return value.repeat(copies, *(1,) * (value.dim() - 1)) if copies > 1 else value
