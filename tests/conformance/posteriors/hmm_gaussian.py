"""A hidden Markov chain of Gaussian emissions, everything flat, means ordered."""

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions import constraints

from tests.conformance.families.markov import observe_markov
from tests.conformance.families.priors import flat_positive

POSTERIORS = ("hmm_gaussian_simulated-hmm_gaussian",)
# The density has no bound where a state holds one observation; chains start at the clusters.
INIT = {"mu": [9.0, 18.0, 29.0], "sigma": [1.0, 3.0, 2.0]}


def program(y, states):
    initial = pyro.sample("pi1", dist.Dirichlet(torch.ones(states)))
    with pyro.plate("state", states):
        transition = pyro.sample("A", dist.Dirichlet(torch.ones(states)))
    mu = pyro.sample("mu", dist.ImproperUniform(constraints.ordered_vector, (), (states,)))
    sigma = flat_positive("sigma", states)
    emission = dist.Normal(mu, sigma).log_prob(y.unsqueeze(-1))
    observe_markov(initial.log(), transition.log(), emission)


def data(raw):
    return {"y": raw["y"], "states": raw["K"]}
