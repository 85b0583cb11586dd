"""Mixture of K normals whose means have no order."""

import numpy as np
import pyro
import pyro.distributions as dist
import torch

from tests.conformance.families.priors import normals

POSTERIORS = ("normal_5-normal_mixture_k",)
EXPLAINED = "the components can change names: K! modes, and lesser ones where two share a cluster"


def program(y, components):
    theta = pyro.sample("theta", dist.Dirichlet(torch.ones(components)))
    mu = normals("mu", components, 0.0, 10.0)
    sigma = pyro.sample("sigma", dist.Uniform(0.0, 10.0).expand([components]).to_event(1))
    with pyro.plate("observation", len(y)):
        mixture = dist.MixtureSameFamily(dist.Categorical(theta), dist.Normal(mu, sigma))
        pyro.sample("y", mixture, obs=y)


def data(raw):
    return {"y": np.array(raw["y"]), "components": raw["K"]}
