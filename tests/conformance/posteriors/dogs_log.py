"""Dogs: the effects of shocks and of avoidances have known signs."""

import pyro
import pyro.distributions as dist
import torch

from tests.conformance.families.dogs import histories as data
from tests.conformance.families.priors import uniform

__all__ = ["POSTERIORS", "data", "program"]

POSTERIORS = ("dogs-dogs_log",)


def program(y, avoided, shocked):
    beta1, beta2 = uniform("beta1", -100.0, 0.0), uniform("beta2", 0.0, 100.0)
    pyro.deterministic("beta", torch.stack([beta1, beta2]))
    logits = beta1 * avoided + beta2 * shocked
    pyro.sample("y", dist.Bernoulli(logits=logits).to_event(2), obs=y)
