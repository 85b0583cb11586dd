"""Losses of draws held against draws: maximum mean discrepancy, and energy distance."""

from __future__ import annotations

import torch
from torch import Tensor

from probgen.errors import ModelError
from probgen.learn.training.protocol import Batch
from probgen.learn.variational.checks import check_reparameterised, latents
from probgen.learn.variational.estimator import Estimator
from probgen.learn.variational.layout import Layout, rows_of
from probgen.learn.variational.pair import Pair
from probgen.learn.variational.particles import ALONE, Particles
from probgen.learn.variational.run import Collect, Message, Run

__all__ = ["DiscrepancyEstimator", "EnergyEstimator", "discrepancy"]

_CURE = "take ELBO(kind='graph') or WakeSleep(), or relax the site."


class DiscrepancyEstimator(Estimator):
    """The reconstruction, and the discrepancy between all codes and the prior."""

    describe = {  # noqa: RUF012
        "loss": "reconstruction and scaled discrepancy per row",
        "reconstruction": "-E_q[log p(data | latent sites)] per row",
        "discrepancy": "squared maximum mean discrepancy of the latent sites",
    }

    def __init__(
        self, pair: Pair, layout: Layout, particles: int, scale: float, length: float | None
    ) -> None:
        super().__init__(pair, layout)
        run = layout.run
        check_reparameterised(run.guide, "MMD", _CURE)
        check_reparameterised(run.model, "MMD", _CURE, of="program")
        for name, site in latents(run.guide).items():
            if not layout.is_row(site) and particles < 2:
                raise ModelError(
                    f"MMD compares draws, and the site {name!r} has one for all rows: give "
                    "particles, as MMD(particles=20)."
                )
        self.label = "maximum mean discrepancy"
        self.runs = Particles(pair, layout, particles)
        self.notes += self.runs.notes
        self._scale, self._length = scale, length

    def __call__(self, batch: Batch, kl_weight: float = 1.0) -> dict[str, Tensor]:
        """The loss, and its parts."""
        rows, count = rows_of(batch), self.runs.count
        likelihood = torch.zeros(())
        codes: dict[str, list[Tensor]] = {}
        for run in self.runs(batch):
            for name, site in run.model.items():
                if site["is_observed"]:
                    likelihood = likelihood + self.total(site, batch)
                elif name in run.guide:
                    codes.setdefault(name, []).append(self.runs.values(run.guide[name], run, rows))
        found = torch.zeros(())
        prior: dict[str, list[Tensor]] = {}
        for _ in range(count):
            drawn = self.pair.run_model(batch, Collect())
            for name in codes:
                values = self.runs.values(drawn.sites[name], ALONE, rows)
                prior.setdefault(name, []).append(values)
        for name, parts in codes.items():
            ours, theirs = torch.cat(parts), torch.cat(prior[name])
            share = 1.0 if ours.shape[1] == rows else 1 / self.layout.rows
            apart = discrepancy(ours.flatten(0, 1), theirs.flatten(0, 1), self._length)
            found = found + share * apart
        reconstruction = -likelihood / count
        return {
            "loss": reconstruction + self._scale * found,
            "reconstruction": reconstruction.detach(),
            "discrepancy": found.detach(),
        }


class EnergyEstimator(Estimator):
    """The energy distance between simulated and given data."""

    describe = {"loss": "energy distance per row, and the weighted prior"}  # noqa: RUF012

    def __init__(
        self, pair: Pair, layout: Layout, particles: int, beta: float, prior: float
    ) -> None:
        super().__init__(pair, layout)
        check_reparameterised(layout.run.guide, "EnergyDistance", _CURE)
        observed = {n: s for n, s in layout.run.model.items() if s["is_observed"]}
        drawn = {n: {**s, "is_observed": False} for n, s in observed.items()}
        check_reparameterised(drawn, "EnergyDistance", _CURE, of="program")
        for name, site in observed.items():
            if not layout.is_row(site) and not layout.whole:
                raise ModelError(
                    f"EnergyDistance compares rows, and the observed site {name!r} is in no plate "
                    "of rows: train on all rows at once (batch_size)."
                )
        self.label = "energy distance"
        self.runs = Particles(pair, layout, particles)
        self.notes += self.runs.notes
        self._beta, self._prior = beta, prior

    def __call__(self, batch: Batch, kl_weight: float = 1.0) -> dict[str, Tensor]:
        """The loss."""
        rows = rows_of(batch)
        drawn, given = [], torch.zeros(())
        prior = torch.zeros(())
        for run in self.runs(batch, simulate=True):
            sites = {n: run.model[n] for n in run.observed}
            drawn.append(torch.cat([self.runs.values(s, run, rows) for s in sites.values()], -1))
            if len(drawn) == 1:
                given = torch.cat([self._given(run, name, rows) for name in sites], -1)
            if self._prior:
                for name, site in run.model.items():
                    if name not in sites:
                        prior = prior + self.total(site, batch) / self.runs.count
        simulated = torch.cat(drawn)
        first, second = torch.tril_indices(len(simulated), len(simulated), -1)
        error = self._power(simulated - given)
        spread = self._power(simulated[first] - simulated[second])
        return {"loss": error - spread / 2 - self._prior * prior}

    def _power(self, difference: Tensor) -> Tensor:
        """The mean of |difference|^beta, norms over the last dimension."""
        squared = difference.square().sum(-1)
        tiny = torch.finfo(squared.dtype).tiny  # where the root has no gradient
        return squared.clamp(min=tiny).pow(self._beta / 2).mean()

    def _given(self, run: Run, name: str, rows: int) -> Tensor:
        site: Message = {**run.model[name], "value": run.observed[name]}
        return self.runs.values(site, ALONE, rows)


def discrepancy(first: Tensor, second: Tensor, length: float | None = None) -> Tensor:
    """Squared maximum mean discrepancy of draws (count, dim), as the V-statistic."""
    squared = 2 * length**2 if length is not None else float(first.shape[1])

    def kernel(one: Tensor, other: Tensor) -> Tensor:
        product = -2 * one @ other.T
        apart = product + one.square().sum(1)[:, None] + other.square().sum(1)
        return torch.exp(-apart.clamp(min=0) / squared).mean()

    return kernel(first, first) + kernel(second, second) - 2 * kernel(first, second)
