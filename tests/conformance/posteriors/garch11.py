"""GARCH(1, 1): a loop over time for the variance."""

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions import constraints

from tests.conformance.families.designs import select
from tests.conformance.families.priors import flat, flat_positive

POSTERIORS = ("garch-garch11",)
data = select("y", "sigma1")


def program(y, sigma1):
    mu, alpha0 = flat("mu"), flat_positive("alpha0")
    alpha1 = pyro.sample("alpha1", dist.ImproperUniform(constraints.unit_interval, (), ()))
    stationary = constraints.interval(0.0, 1.0 - alpha1)
    beta1 = pyro.sample("beta1", dist.ImproperUniform(stationary, (), ()))
    shock = alpha0 + alpha1 * (y[:-1] - mu).square()
    variance = [torch.as_tensor(sigma1, dtype=y.dtype).square()]
    for step in shock.unbind():
        variance.append(step + beta1 * variance[-1])
    with pyro.plate("time", len(y)):
        pyro.sample("y", dist.Normal(mu, torch.stack(variance).sqrt()), obs=y)
