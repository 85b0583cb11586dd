"""Wells: switching by distance in metres."""

import pyro
import pyro.distributions as dist

from tests.conformance.families.designs import select
from tests.conformance.families.priors import flat

POSTERIORS = ("wells_data-wells_dist",)
data = select("switched", distance="dist")


def program(switched, distance):
    beta = flat("beta", 2)
    with pyro.plate("household", len(switched)):
        pyro.sample("switched", dist.Bernoulli(logits=beta[0] + beta[1] * distance), obs=switched)
