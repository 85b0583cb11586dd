"""Mixture of two normals of known variance whose means have no order."""

import pyro
import pyro.distributions as dist
import torch

from tests.conformance.families.designs import select
from tests.conformance.families.priors import normals, uniform

POSTERIORS = ("normal_2-normal_mixture",)
EXPLAINED = "the two components can change names: two modes far apart"
data = select("y")


def program(y):
    theta, mu = uniform("theta", 0.0, 1.0), normals("mu", 2, 0.0, 10.0)
    weights = dist.Categorical(probs=torch.stack([theta, 1.0 - theta]))
    with pyro.plate("observation", len(y)):
        pyro.sample("y", dist.MixtureSameFamily(weights, dist.Normal(mu, 1.0)), obs=y)
