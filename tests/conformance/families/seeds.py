"""What the models of germinating seeds share: two by two factors and plates of seeds."""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch
from pyro.infer.reparam import LocScaleReparam
from pyro.poutine import reparam


def plate_effects(name: str, sigma: torch.Tensor, plates: int) -> torch.Tensor:
    """Effects of plates, sampled in decentred coordinates: few plates make a funnel."""
    with pyro.plate("plates", plates), reparam(config={name: LocScaleReparam(0.0)}):
        return pyro.sample(name, dist.Normal(0.0, sigma))


def observe(n, N, x1, x2, spread: float, effect: torch.Tensor) -> None:
    """`n` of `N` seeds germinate; coefficients are normal with standard deviation `spread`."""
    alpha0, alpha1, alpha2, alpha12 = (
        pyro.sample(f"alpha{i}", dist.Normal(0.0, spread)) for i in (0, 1, 2, 12)
    )
    logits = alpha0 + alpha1 * x1 + alpha2 * x2 + alpha12 * x1 * x2 + effect
    with pyro.plate("seeds", len(n)):
        pyro.sample("n", dist.Binomial(N, logits=logits), obs=n)
