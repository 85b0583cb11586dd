"""Item response of two parameters that are correlated over items."""

import numpy as np
import pyro
import pyro.distributions as dist
import torch

from tests.conformance.families.designs import index

POSTERIORS = ("sat-hier_2pl",)


def program(y, item, person, items, persons):
    mu = pyro.sample("mu", dist.Normal(torch.zeros(2), torch.tensor([1.0, 5.0])).to_event(1))
    tau = pyro.sample("tau", dist.Exponential(0.1).expand([2]).to_event(1))
    factor = pyro.sample("L_Omega", dist.LKJCholesky(2, 4.0))
    with pyro.plate("item", items):
        xi = pyro.sample("xi", dist.MultivariateNormal(mu, scale_tril=tau.unsqueeze(-1) * factor))
    with pyro.plate("person", persons):
        theta = pyro.sample("theta", dist.Normal(0.0, 1.0))
    alpha, beta = xi[:, 0].exp(), xi[:, 1]
    with pyro.plate("answer", len(y)):
        logits = alpha[item] * (theta[person] - beta[item])
        pyro.sample("y", dist.Bernoulli(logits=logits), obs=y)


def data(raw):
    return {
        "y": np.array(raw["y"], dtype=float),
        "item": index(raw["ii"]),
        "person": index(raw["jj"]),
        "items": raw["I"],
        "persons": raw["J"],
    }
