"""Mixture of two normals whose means have no order."""

import pyro
import pyro.distributions as dist
import torch

from tests.conformance.families.designs import select
from tests.conformance.families.priors import normals

POSTERIORS = ("low_dim_gauss_mix_collapse-low_dim_gauss_mix_collapse",)
EXPLAINED = "the two components can change names: two modes of the same height"
data = select("y")


def program(y):
    mu = normals("mu", 2, 0.0, 2.0)
    sigma = pyro.sample("sigma", dist.HalfNormal(2.0).expand([2]).to_event(1))
    theta = pyro.sample("theta", dist.Beta(5.0, 5.0))
    weights = dist.Categorical(probs=torch.stack([theta, 1.0 - theta]))
    with pyro.plate("observation", len(y)):
        pyro.sample("y", dist.MixtureSameFamily(weights, dist.Normal(mu, sigma)), obs=y)
