"""Two sides of a program: the data at its observed sites, and draws in their place, as vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from probgen.declare.sites import is_implicit, site_kind
from probgen.declare.supports import label
from probgen.errors import ModelError, OptionError
from probgen.learn.evaluating import evaluating
from probgen.learn.training.information import DataInfo
from probgen.learn.training.probe import observed_sites
from probgen.learn.training.protocol import Batch
from probgen.learn.unvalidated import unvalidated
from probgen.learn.variational.pair import plainly
from probgen.learn.variational.run import Collect, Message

__all__ = ["Sides"]

_SAMPLE = 500


class Sides:
    """What a program draws at some observed sites, and what the data say there, row by row.

    A row is the values of all sites as one vector. States of a categorical site are one-hot. Of
    several sites each is divided by its spread in the data, so that all count alike.

    Args:
        model: the program.
        sites: names of observed sites; None for all.
        info: the training data.
        method: for messages.

    Attributes
    ----------
    names: of the sites.
    conditional: whether the program takes data that it does not draw, so that rows differ in law.
    shared: whether it draws latents for all rows together, so that rows of a run are dependent.

    Raises `ModelError` for a site that cannot be compared or learned from, `OptionError` for one
    that is not observed.

    """

    def __init__(
        self, model: nn.Module, sites: Sequence[str] | None, info: DataInfo, method: str
    ) -> None:
        self._call, self._method = plainly(model), method
        batch = info.sample(2)
        seen = observed_sites(model, batch)
        self.names = _chosen([site.site for site in seen], sites, method)
        drawn = {site.argument for site in seen}
        self.conditional = any(name not in drawn for name in batch)
        self.shared = False
        self._scales: dict[str, float] = {}
        with evaluating(model):
            self._check(batch)
            if len(self.names) > 1:
                self._scales = self._spreads(info.sample(min(info.rows, _SAMPLE)))

    def drawn(self, batch: Batch, times: int) -> tuple[Tensor, Tensor]:
        """The data (row, dim), and `times` independent draws of every row, (times, row, dim)."""
        runs = [self._run(batch) for _ in range(times)]
        rows = len(next(iter(batch.values())))
        first = runs[0]
        data = [self._rows(first.sites[n], first.observed[n], rows) for n in self.names]
        drawn = [
            torch.cat([self._rows(r.sites[n], r.sites[n]["value"], rows) for n in self.names], -1)
            for r in runs
        ]
        return torch.cat(data, -1).detach(), torch.stack(drawn)

    def data(self, batch: Batch) -> Tensor:
        """The data as vectors, (row, dim)."""
        with torch.no_grad():
            return self.drawn(batch, 1)[0]

    def _run(self, batch: Batch) -> Collect:
        with unvalidated(), Collect(simulate=True) as run:
            self._call(**batch)
        return run

    def _rows(self, site: Message, value: Tensor, rows: int) -> Tensor:
        law = site["fn"]
        if getattr(law, "has_enumerate_support", False) and not law.event_shape:
            states = law.enumerate_support(expand=False).flatten()
            value = (value[..., None] == states).to(torch.get_default_dtype())
        if value.shape[:1] != (rows,):
            raise ModelError(
                f"{self._method} compares rows, and a draw of the site {site['name']!r} has the "
                f"shape {tuple(value.shape)} for {rows} rows: draw it in the plate of the rows."
            )
        return value.reshape(rows, -1) / self._scales.get(site["name"], 1.0)

    def _check(self, batch: Batch) -> None:
        """Refuse draws that lose the gradient of what they were drawn from."""
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            run = self._run(batch)
            for name, site in run.sites.items():
                if site_kind(site) == "factor":
                    raise ModelError(
                        f"The factor {name!r} weighs runs of the program, and {self._method} "
                        "takes draws as they come: leave it out, or learn by SVI()."
                    )
                if not getattr(site["fn"], "has_rsample", False) and _depends(site):
                    raise ModelError(
                        f"{self._method} needs draws that can be differentiated, and the site "
                        f"{name!r} draws from {label(site['fn'])} with learned parameters: relax "
                        "it (RelaxedOneHotCategorical, RelaxedBernoulli), or learn by SVI()."
                    )
            values = [run.sites[name]["value"] for name in self.names]
        self.shared = _outside_plates(run, self.names)
        if not any(value.requires_grad for value in values):
            listed = ", ".join(map(repr, self.names))
            raise ModelError(
                f"{self._method}: no draw at {listed} depends on a parameter that requires a "
                "gradient, so that there is nothing to learn. Look for .detach(), .item() or "
                "torch.no_grad on the way from the module's parameters to the site."
            )

    def _spreads(self, batch: Batch) -> dict[str, float]:
        run, rows = self._run(batch), len(next(iter(batch.values())))
        found = {}
        for name in self.names:
            values = self._rows(run.sites[name], run.observed[name], rows)
            found[name] = float(values.var(0).sum().sqrt()) or 1.0
        return found


def _chosen(seen: list[str], asked: Sequence[str] | None, method: str) -> tuple[str, ...]:
    if asked is None:
        return tuple(seen)
    for name in asked:
        if name not in seen:
            raise OptionError(
                f"{method}(sites={tuple(asked)}): the program observes no site {name!r} with "
                f"these data; it observes {', '.join(map(repr, seen))}."
            )
    return tuple(asked)


def _outside_plates(run: Collect, names: tuple[str, ...]) -> bool:
    """Whether there are latents in none of the plates that the named sites are in."""
    plates = {frame.name for name in names for frame in run.sites[name]["cond_indep_stack"]}
    return bool(plates) and any(
        not plates & {frame.name for frame in site["cond_indep_stack"]}
        for name, site in run.sites.items()
        if name not in run.observed
    )


def _depends(site: Any) -> bool:
    """Whether the law of a site depends on what is learned."""
    if is_implicit(site):
        return False
    try:
        return bool(site["fn"].log_prob(site["value"]).requires_grad)
    except (NotImplementedError, ValueError, RuntimeError):
        return False
