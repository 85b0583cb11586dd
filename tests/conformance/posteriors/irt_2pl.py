"""Item response of two parameters, hierarchical."""

import pyro
import pyro.distributions as dist

from tests.conformance.families.designs import select

POSTERIORS = ("irt_2pl-irt_2pl",)
DRAWS = 4000
data = select("y")


def program(y):
    sigma_theta, sigma_a, sigma_b = (
        pyro.sample(f"sigma_{name}", dist.HalfCauchy(2.0)) for name in ("theta", "a", "b")
    )
    mu_b = pyro.sample("mu_b", dist.Normal(0.0, 5.0))
    items, persons = pyro.plate("items", len(y), dim=-2), pyro.plate("persons", y.shape[1], dim=-1)
    with persons:
        theta = pyro.sample("theta", dist.Normal(0.0, sigma_theta))
    with pyro.plate("item", len(y)):
        a = pyro.sample("a", dist.LogNormal(0.0, sigma_a))
        b = pyro.sample("b", dist.Normal(mu_b, sigma_b))
    with items, persons:
        logits = a.unsqueeze(-1) * (theta - b.unsqueeze(-1))
        pyro.sample("y", dist.Bernoulli(logits=logits), obs=y)
