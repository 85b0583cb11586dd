"""Latent sites of cases as flat unconstrained rows: what annealing moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from probgen.declare.bijections import bijection
from probgen.declare.supports import is_discrete, support_of
from probgen.errors import ModelError
from probgen.inference.variational.likelihood.cases import Cases
from probgen.learn.training.protocol import Batch
from probgen.learn.variational.checks import latents
from probgen.learn.variational.run import Collect, Message, Run

__all__ = ["Latents"]


@dataclass(frozen=True)
class _Slot:
    """Where a site stands: its row dimension from the right, and the shape of a row's values."""

    name: str
    row_dim: int
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Numbers of a row."""
        return int(torch.Size(self.shape).numel())


class Latents:
    """The latent sites of a program's cases as one vector for every row.

    Raises `ModelError` for discrete sites: Hamiltonian dynamics needs gradients.
    """

    def __init__(self, cases: Cases, batch: Batch) -> None:
        self.cases, self.slots = cases, []
        sites = latents(cases.pair.run_model(batch, Collect()).sites)
        for name, message in sites.items():
            if is_discrete(support_of(message["fn"])):
                raise ModelError(
                    f"AnnealedImportance moves latent sites by gradients, and {name!r} is "
                    "discrete: use ImportanceWeighted()."
                )
            moved = self._by_row(message)
            dim = moved[1]
            self.slots.append(_Slot(name, dim, tuple(moved[0].shape[1:])))

    @property
    def dim(self) -> int:
        """Coordinates of a row."""
        return sum(slot.size for slot in self.slots)

    def read(self, sites: dict[str, Message]) -> Tensor:
        """Coordinates (row, dim) of a run's latent sites, float64."""
        values = [self._by_row(sites[slot.name])[0] for slot in self.slots]
        return torch.cat([value.reshape(len(value), -1) for value in values], dim=1).double()

    def log_densities(self, x: Tensor, batch: Batch, guide: bool) -> tuple[Tensor, Tensor]:
        """Log densities of rows of coordinates (row, dim): of the base, and joint with the data.

        The base is the guide or the program's own prior; both are of the unconstrained
        coordinates, (row,) float64.
        """
        cases, rows = self.cases, len(x)
        placed = _Place(self, x.to(cases.dtype))
        run = Run(placed, cases.pair.run_model(batch, placed))
        latent = latents(run.model)
        prior = cases.total(latent, run, rows) + placed.log_jacobian
        seen = {name: m for name, m in run.model.items() if name not in latent}
        joint = prior + cases.total(seen, run, rows)
        if not guide:
            return prior, joint
        values: dict[str, Message] = {n: {"value": m["value"]} for n, m in latent.items()}
        own = cases.pair.run_guide(batch, Collect(values)).sites
        return cases.total(own, run, rows) + placed.log_jacobian, joint

    def _by_row(self, message: Message) -> tuple[Tensor, int]:
        """A site's unconstrained value with its rows first, and their dimension before."""
        transform = bijection(support_of(message["fn"]))
        value = transform.inv(message["value"])
        event = len(message["fn"].event_shape)
        inner = event + value.dim() - message["value"].dim()
        row = self.cases.layout.row_dim(message)
        assert row is not None
        return value.movedim(row - inner, 0), row - inner


class _Place(Collect):
    """Sets latent sites from coordinates, and adds up the log Jacobians by row."""

    def __init__(self, latents: Latents, x: Tensor) -> None:
        super().__init__()

        self.log_jacobian: Tensor = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        parts = x.split([slot.size for slot in latents.slots], dim=1)
        self._layout = latents.cases.layout
        self._rows = {
            slot.name: part.reshape(len(x), *slot.shape).movedim(0, slot.row_dim)
            for slot, part in zip(latents.slots, parts, strict=True)
        }

    def _process_message(self, msg: Any) -> None:
        if msg["type"] != "sample" or msg["is_observed"] or msg["name"] not in self._rows:
            return
        value = self._rows[msg["name"]]
        transform = bijection(support_of(msg["fn"]))
        msg["value"], msg["done"] = transform(value), True
        change = transform.log_abs_det_jacobian(value, msg["value"])
        row = self._layout.row_dim(msg)
        rank = len(msg["fn"].event_shape)
        extra = change.dim() - (msg["value"].dim() - rank)
        if extra > 0:
            change = change.sum(tuple(range(-extra, 0)))
        moved = change.movedim(row, 0)
        self.log_jacobian = self.log_jacobian + moved.reshape(len(moved), -1).sum(1).double()
