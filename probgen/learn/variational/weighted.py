"""Losses of weighted draws: Rényi's bound, and reweighted wake-sleep."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from probgen.errors import ModelError
from probgen.learn.training.protocol import Batch
from probgen.learn.variational.checks import check_reparameterised, latents
from probgen.learn.variational.estimator import Estimator
from probgen.learn.variational.layout import Layout, rows_of
from probgen.learn.variational.pair import Pair
from probgen.learn.variational.particles import Particles
from probgen.learn.variational.run import Collect
from probgen.learn.variational.weights import check_rows_alone, log_densities, log_weights

__all__ = ["RenyiEstimator", "WakeSleepEstimator"]


class RenyiEstimator(Estimator):
    """-log mean exp((1 - alpha) log w) / (1 - alpha), the mean over rows."""

    describe = {"loss": "negative Rényi bound per row"}  # noqa: RUF012

    def __init__(self, pair: Pair, layout: Layout, particles: int, alpha: float) -> None:
        super().__init__(pair, layout)
        check_reparameterised(
            layout.run.guide, "RenyiELBO", "take WakeSleep() or ELBO(), or relax the site."
        )
        check_rows_alone(layout, "RenyiELBO")
        self.label = f"Rényi bound of order {alpha:g}"
        self.runs = Particles(pair, layout, particles)
        self.notes += self.runs.notes
        self._power = 1 - alpha

    def __call__(self, batch: Batch, kl_weight: float = 1.0) -> dict[str, Tensor]:
        """The loss."""
        weights = self._power * log_weights(self.runs, batch)
        bound = (weights.logsumexp(0) - math.log(self.runs.count)) / self._power
        return {"loss": -bound.sum() / rows_of(batch)}


class WakeSleepEstimator(Estimator):
    """The wake phase of program and guide, and the sleep phase of the guide."""

    describe = {  # noqa: RUF012
        "loss": "negative importance weighted bound per row",
        "guide_loss": "weighted -log q(latent sites) per row",
    }

    def __init__(self, pair: Pair, layout: Layout, particles: int, sleep: float) -> None:
        super().__init__(pair, layout)
        check_rows_alone(layout, "WakeSleep")
        self.label = "reweighted wake-sleep"
        self.runs = Particles(pair, layout, particles)
        self.notes += self.runs.notes
        self._sleep = sleep
        self._arguments = _arguments(pair, layout) if sleep else {}

    def __call__(self, batch: Batch, kl_weight: float = 1.0) -> dict[str, Tensor]:
        """Both losses, the guide's without its own gradient of the program."""
        model, guide = log_densities(self.runs, batch, detach=True)
        weights = model - guide.detach()
        bound = weights.logsumexp(0) - math.log(self.runs.count)
        shares = weights.detach().softmax(0)
        awake = -(shares * guide).sum() / rows_of(batch)
        asleep = self._asleep(batch) if self._sleep else awake
        found = (1 - self._sleep) * awake + self._sleep * asleep
        return {"loss": -bound.sum() / rows_of(batch), "guide_loss": found}

    def backward(self, batch: Batch, kl_weight: float = 1.0) -> dict[str, Tensor]:
        """Both gradients: no parameter of the guide is in the loss of the program."""
        found = self(batch)
        (found["loss"] + found["guide_loss"]).backward()
        return {name: value.detach() for name, value in found.items()}

    def _asleep(self, batch: Batch) -> Tensor:
        """-log q(z | x) per row, of draws (z, x) of the program."""
        with torch.no_grad():
            dreamt = self.pair.run_model(batch, Collect(simulate=True))
        values = {n: s for n, s in dreamt.sites.items() if n not in dreamt.observed}
        seen = {
            argument: dreamt.sites[site]["value"].to(batch[argument].dtype)
            for site, argument in self._arguments.items()
        }
        guide = self.pair.run_guide({**batch, **seen}, Collect(values))
        return -sum(
            (self.total(site, batch) for site in guide.sites.values()), start=torch.zeros(())
        )


def _arguments(pair: Pair, layout: Layout) -> dict[str, str]:
    """Arguments that observed sites are given by; `ModelError` where one is computed."""
    found = {}
    for name, site in layout.run.model.items():
        if name in layout.run.guide or name in latents(layout.run.model):
            continue
        same = [a for a, v in layout.batch.items() if v.data_ptr() == site["value"].data_ptr()]
        if not same:
            raise ModelError(
                f"WakeSleep(sleep=...): the site {name!r} observes something that the program "
                "computes from its data, so that the guide cannot be shown what the program "
                "dreams: take sleep=0."
            )
        found[name] = same[0]
    return found
