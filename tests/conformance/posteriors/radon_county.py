"""Radon: a mean per county, flat priors of the scales."""

import pyro
import pyro.distributions as dist

from tests.conformance.families.designs import arrays, index
from tests.conformance.families.priors import uniform

POSTERIORS = ("radon_mod-radon_county",)


def program(y, county, counties):
    mu_a = pyro.sample("mu_a", dist.Normal(0.0, 1.0))
    sigma_a, sigma_y = uniform("sigma_a", 0.0, 100.0), uniform("sigma_y", 0.0, 100.0)
    with pyro.plate("counties", counties):
        a = pyro.sample("a", dist.Normal(mu_a, sigma_a))
    with pyro.plate("house", len(y)):
        pyro.sample("y", dist.Normal(a[county], sigma_y), obs=y)


def data(raw):
    return {"y": arrays(raw)["y"], "county": index(raw["county"]), "counties": raw["J"]}
