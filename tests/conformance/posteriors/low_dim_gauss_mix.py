"""Mixture of two normals with ordered means."""

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions import constraints

from tests.conformance.families.designs import select
from tests.conformance.families.priors import on_support

POSTERIORS = ("low_dim_gauss_mix-low_dim_gauss_mix",)
data = select("y")


def program(y):
    mu = on_support("mu", constraints.ordered_vector, dist.Normal(0.0, 2.0).expand([2]))
    sigma = pyro.sample("sigma", dist.HalfNormal(2.0).expand([2]).to_event(1))
    theta = pyro.sample("theta", dist.Beta(5.0, 5.0))
    weights = dist.Categorical(probs=torch.stack([theta, 1.0 - theta]))
    with pyro.plate("observation", len(y)):
        pyro.sample("y", dist.MixtureSameFamily(weights, dist.Normal(mu, sigma)), obs=y)
