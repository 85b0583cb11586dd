"""The ELBO straight from one run of guide and program, for guides that can be differentiated.

Two messages per site instead of two traces: the terms of the ELBO are summed as they are met,
with the Kullback-Leibler divergence in closed form where `analytic` says so and torch knows it.
The value is that of Pyro's `Trace_ELBO` and `TraceMeanField_ELBO` at the same random numbers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, kl_divergence

from probgen.errors import ModelError
from probgen.learn.training.protocol import Batch
from probgen.learn.variational.estimator import Estimator
from probgen.learn.variational.layout import Layout, rows_of
from probgen.learn.variational.pair import Pair
from probgen.learn.variational.particles import Particles
from probgen.learn.variational.run import Message

__all__ = ["DirectELBO", "closed_form", "is_point"]


class DirectELBO(Estimator):
    """-E_q[log p(x, z) - log q(z)] / rows, by draws that gradients go through.

    Args:
        pair, layout: what to learn.
        particles: draws per step.
        analytic: whether divergences are taken in closed form where there is one.

    """

    describe = {  # noqa: RUF012
        "loss": "negative ELBO per row",
        "reconstruction": "-E_q[log p(data | latent sites)] per row",
        "kl": "KL divergence of the guide from the prior, per row",
    }

    def __init__(self, pair: Pair, layout: Layout, particles: int, analytic: bool) -> None:
        super().__init__(pair, layout)
        self.label = "mean_field" if analytic else "trace"
        self.runs = Particles(pair, layout, particles)
        self.notes += self.runs.notes
        self._analytic = analytic
        self._sampled: set[tuple[str, type, type]] = set()  # sites without a closed form

    def __call__(self, batch: Batch, kl_weight: float = 1.0) -> dict[str, Tensor]:
        """The loss, and its two parts; the kl is not weighted."""
        rows, count = rows_of(batch), self.runs.count
        likelihood: Tensor | float = 0.0
        kl: Tensor | float = 0.0
        for run in self.runs(batch):
            for name, site in run.model.items():
                if site["is_observed"] and name not in run.guide:
                    likelihood = likelihood + self.total(site, batch)
                    continue
                guide = run.guide.get(name)
                if guide is None:
                    raise ModelError(
                        f"For some rows the program draws the site {name!r} and the guide does "
                        f"not: let it draw {name!r} whenever the program does."
                    )
                divergence = self._divergence(name, guide, site)
                if divergence is None:
                    kl = kl + self.total(guide, batch) - self.total(site, batch)
                else:
                    kl = kl + self.scaled(divergence, guide, rows)
            for name, extra in run.guide.items():
                if name not in run.model:
                    kl = kl + self.total(extra, batch)
        reconstruction = torch.as_tensor(-likelihood / count)
        kl = torch.as_tensor(kl / count)
        loss = reconstruction + kl * kl_weight
        return {"loss": loss, "reconstruction": reconstruction.detach(), "kl": kl.detach()}

    def _divergence(self, name: str, guide: Message, model: Message) -> Tensor | None:
        """KL(guide, prior) by row, masked; None where it is to be sampled."""
        if not self._analytic:
            return None
        q, p = guide["fn"], model["fn"]
        key = (name, type(q), type(p))
        if key in self._sampled:
            return None
        found = closed_form(q, p)
        if found is None:
            self._sampled.add(key)
            return None
        mask = guide["mask"]
        if mask is None or mask is True:
            return found
        return found * mask


def closed_form(q: Distribution, p: Distribution) -> Tensor | None:
    """KL(q, p) over the batch, or None where it is not known.

    Of a point mass Pyro leaves out the density that it may carry, and so it is not asked.
    """
    if is_point(q):
        return None
    try:
        found = kl_divergence(q, p)
    except NotImplementedError:
        return None
    return found if isinstance(found, Tensor) and found.shape == q.batch_shape else None


def is_point(distribution: Any) -> bool:
    """Whether a distribution is a point mass under its wrappers."""
    while hasattr(distribution, "base_dist"):
        distribution = distribution.base_dist
    return type(distribution).__name__ == "Delta"
