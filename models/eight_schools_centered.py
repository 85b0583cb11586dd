"""Eight schools, centred: the textbook form, a funnel for the sampler.

Source: Rubin (1981), Journal of Educational Statistics 6:377-401; why this form fails is told
in Betancourt and Girolami (2015), "Hamiltonian Monte Carlo for hierarchical models". Expect
divergences: where `tau` is small the effects are squeezed into a neck that no single step
size suits. `eight_schools` is the same model without the neck.
Data: those of `eight_schools`.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

from probgen.models.eight_schools import data

__all__ = ["data", "eight_schools_centered"]


def eight_schools_centered(sigma: torch.Tensor, y: torch.Tensor | None = None) -> None:
    """`sigma`: standard errors, shape (school,); `y`: estimated effects, in points."""
    mu = pyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = pyro.sample("tau", dist.HalfCauchy(5.0))
    with pyro.plate("school", len(sigma)):
        theta = pyro.sample("theta", dist.Normal(mu, tau))
        pyro.sample("y", dist.Normal(theta, sigma), obs=y)
