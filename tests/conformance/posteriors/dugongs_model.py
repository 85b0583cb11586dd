"""Length of dugongs by age: a curve that grows to a limit."""

import pyro
import pyro.distributions as dist

from tests.conformance.families.designs import select
from tests.conformance.families.priors import uniform

POSTERIORS = ("dugongs_data-dugongs_model",)
data = select(age="x", length="Y")


def program(age, length):
    alpha = pyro.sample("alpha", dist.Normal(0.0, 1000.0))
    beta = pyro.sample("beta", dist.Normal(0.0, 1000.0))
    lam = uniform("lambda", 0.5, 1.0)
    tau = pyro.sample("tau", dist.Gamma(1e-4, 1e-4))
    with pyro.plate("dugong", len(age)):
        pyro.sample("length", dist.Normal(alpha - beta * lam**age, tau.rsqrt()), obs=length)
