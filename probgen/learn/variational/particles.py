"""Several draws of the guide for one minibatch, laid out in a plate where the program can."""

from __future__ import annotations

from collections.abc import Iterator

import pyro
import torch
from torch import Tensor

from probgen.declare.environment import isolated
from probgen.learn.training.protocol import Batch
from probgen.learn.variational.layout import PARTICLES, Layout, rows_of
from probgen.learn.variational.pair import Pair
from probgen.learn.variational.run import Collect, Message, Run, log_prob

__all__ = ["ALONE", "Particles"]

ALONE = Run(Collect(), Collect())
"""A run of one draw, in no plate."""


class Particles:
    """Runs with `count` draws in all: one run with a plate of them, or as many runs.

    Whether a program can be run on all draws at once is tried: a network that takes rows only,
    such as a convolution, cannot.
    """

    def __init__(self, pair: Pair, layout: Layout, count: int) -> None:
        self.pair, self.layout, self.count = pair, layout, count
        self.dim = -1 - layout.nesting
        self.notes: list[str] = []
        self.together = count > 1 and self._can(layout.batch)
        if count > 1 and not self.together:
            self.notes.append(
                f"The program takes one draw of its latent sites at a time: {count} particles "
                "are as many runs."
            )

    def __call__(
        self, batch: Batch, detach: bool = False, simulate: bool = False
    ) -> Iterator[Run]:
        """Runs of guide and program; see `Collect` for `detach` and `simulate`."""
        if self.together:
            yield self._plated(batch, self.count, detach, simulate)
            return
        for _ in range(self.count):
            yield self.pair.run(batch, detach, simulate)

    def by_row(self, message: Message, run: Run, rows: int) -> Tensor:
        """A site's log density as program scales it: (particle, row); one row for global sites.

        The scale by which a program counts all rows itself is taken out again.
        """
        found = log_prob(message) * message["scale"]
        own = self.layout.scaled.get(message["name"])
        if own is not None:
            found = found * (rows / own)
        kept = {run.dim, self.layout.row_dim(message)}
        summed = [dim for dim in range(-found.dim(), 0) if dim not in kept]
        found = found.sum(summed, keepdim=True) if summed else found
        return found.reshape(run.particles if run.dim is not None else 1, -1)

    def values(self, message: Message, run: Run, rows: int) -> Tensor:
        """A site's value as (particle, row, number); one row for sites that have none."""
        value = message["value"]
        event = message["fn"].event_dim
        found = value.flatten(value.dim() - event) if event else value[..., None]
        dim = self.layout.row_dim(message)
        if run.dim is None:  # else the plate of particles is the leftmost dimension
            found = found[None]
        if dim is None:
            return found.reshape(len(found), 1, -1)
        return found.movedim(dim - 1, 1).flatten(2)

    def _plated(
        self, batch: Batch, count: int, detach: bool = False, simulate: bool = False
    ) -> Run:
        with pyro.plate(PARTICLES, count, dim=self.dim):
            guide = self.pair.run_guide(batch, Collect(detach=detach))
        with pyro.plate(PARTICLES, count, dim=self.dim):
            values = {**guide.sites, **guide.plates}
            model = self.pair.run_model(batch, Collect(values, simulate=simulate))
        return Run(guide, model, count, self.dim)

    def _can(self, batch: Batch) -> bool:
        """Whether a run of two draws gives what each of them gives alone."""
        try:
            with self.pair.evaluating(), isolated(0), torch.no_grad():
                both = self._plated(batch, 2)
                singles = [self._single(batch, both, number) for number in range(2)]
                return all(
                    torch.allclose(
                        self.by_row(message, both, rows_of(batch))[number],
                        self.by_row(single[name], ALONE, rows_of(batch))[0],
                        rtol=1e-3,
                        atol=1e-3,
                    )
                    for number, single in enumerate(singles)
                    for name, message in both.model.items()
                )
        except (RuntimeError, ValueError, IndexError, TypeError, KeyError, AssertionError):
            return False

    def _single(self, batch: Batch, both: Run, number: int) -> dict[str, Message]:
        """The program's sites at one of the draws of a plate."""
        values = {}
        for name, site in both.guide.items():
            dim = self.dim - site["fn"].event_dim
            value = site["value"].select(dim, number)
            alone = self.layout.run.guide[name]["value"].shape
            values[name] = {**site, "value": value.reshape(alone)}
        return self.pair.run_model(batch, Collect(values)).sites
