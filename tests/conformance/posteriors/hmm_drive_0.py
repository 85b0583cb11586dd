"""Basketball drives as a hidden Markov chain of two states, exponential emissions."""

import pyro.distributions as dist
import torch
from pyro.distributions import constraints

from tests.conformance.families.designs import select
from tests.conformance.families.drives import observe_drive
from tests.conformance.families.priors import on_support

POSTERIORS = ("bball_drive_event_0-hmm_drive_0",)
INIT = {"phi": [1.0, 3.0], "lambda": [0.1, 0.5]}  # there is a mode far from any other
data = select("u", "v", "alpha")


def program(u, v, alpha):
    prior = dist.Normal(torch.tensor([0.0, 3.0]), 1.0)
    phi = on_support("phi", constraints.positive_ordered_vector, prior)
    rate = on_support("lambda", constraints.positive_ordered_vector, prior)
    emission = dist.Exponential(phi).log_prob(u.unsqueeze(-1))
    observe_drive(alpha, emission + dist.Exponential(rate).log_prob(v.unsqueeze(-1)))
