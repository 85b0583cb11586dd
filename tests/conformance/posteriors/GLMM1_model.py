"""Counts of birds with effects of sites."""

import pyro
import pyro.distributions as dist

from tests.conformance.families.designs import arrays, index
from tests.conformance.families.priors import uniform

POSTERIORS = ("GLMM_data-GLMM1_model",)


def program(count, site, sites):
    mu_alpha = pyro.sample("mu_alpha", dist.Normal(0.0, 10.0))
    sd_alpha = uniform("sd_alpha", 0.0, 5.0)
    with pyro.plate("sites", sites):
        alpha = pyro.sample("alpha", dist.Normal(mu_alpha, sd_alpha))
    with pyro.plate("counts", len(count)):
        pyro.sample("count", dist.Poisson(alpha[site].exp()), obs=count)


def data(raw):
    return {"count": arrays(raw)["obs"], "site": index(raw["obssite"]), "sites": raw["nsite"]}
