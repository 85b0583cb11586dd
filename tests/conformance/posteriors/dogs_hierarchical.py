"""Dogs: every shock and every avoidance multiplies the probability of a shock."""

import pyro
import pyro.distributions as dist

from tests.conformance.families.dogs import later_trials as data
from tests.conformance.families.priors import uniform

__all__ = ["POSTERIORS", "data", "program"]

POSTERIORS = ("dogs-dogs_hierarchical",)


def program(y, avoided, shocked):
    a, b = uniform("a", 0.0, 1.0), uniform("b", 0.0, 1.0)
    pyro.sample("y", dist.Bernoulli(a**shocked * b**avoided).to_event(2), obs=y)
