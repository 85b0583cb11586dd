"""Counts of falcons on a cubic of the year, with effects of years, sampled decentred."""

import pyro
import pyro.distributions as dist
from pyro.infer.reparam import LocScaleReparam
from pyro.poutine import reparam

from tests.conformance.families.designs import select
from tests.conformance.families.priors import uniform

POSTERIORS = ("GLMM_Poisson_data-GLMM_Poisson_model",)
data = select("year", "C")
# From afar, rates overflow.
INIT = {"alpha": 4.0, "beta1": 1.0, "beta2": 0.0, "beta3": 0.0, "sigma": 0.5}


def counts(year, C):
    alpha, beta1 = uniform("alpha", -20.0, 20.0), uniform("beta1", -10.0, 10.0)
    beta2, beta3 = uniform("beta2", -10.0, 10.0), uniform("beta3", -10.0, 10.0)
    sigma = uniform("sigma", 0.0, 5.0)
    with pyro.plate("years", len(year)):
        eps = pyro.sample("eps", dist.Normal(0.0, sigma))
        trend = alpha + beta1 * year + beta2 * year**2 + beta3 * year**3
        pyro.sample("C", dist.Poisson((trend + eps).exp()), obs=C)


program = reparam(counts, config={"eps": LocScaleReparam(0.0)})
