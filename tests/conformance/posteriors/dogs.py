"""Dogs: logistic regression of a shock on what was met before."""

import pyro
import pyro.distributions as dist

from tests.conformance.families.dogs import histories as data
from tests.conformance.families.priors import normals

__all__ = ["POSTERIORS", "data", "program"]

POSTERIORS = ("dogs-dogs",)


def program(y, avoided, shocked):
    beta = normals("beta", 3, 0.0, 100.0)
    logits = beta[0] + beta[1] * avoided + beta[2] * shocked
    pyro.sample("y", dist.Bernoulli(logits=logits).to_event(2), obs=y)
