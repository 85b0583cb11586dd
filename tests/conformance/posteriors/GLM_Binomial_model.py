"""Breeding pairs that succeed, on a quadratic of the year."""

import pyro
import pyro.distributions as dist

from tests.conformance.families.designs import select

POSTERIORS = ("GLM_Binomial_data-GLM_Binomial_model",)
data = select("year", "C", "N")


def program(year, C, N):
    alpha, beta1, beta2 = (
        pyro.sample(name, dist.Normal(0.0, 100.0)) for name in ("alpha", "beta1", "beta2")
    )
    logits = alpha + beta1 * year + beta2 * year.square()
    with pyro.plate("years", len(year)):
        pyro.sample("C", dist.Binomial(N, logits=logits), obs=C)
