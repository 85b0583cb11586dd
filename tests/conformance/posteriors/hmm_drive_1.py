"""Basketball drives as a hidden Markov chain of two states, normal emissions."""

import pyro.distributions as dist
import torch
from pyro.distributions import constraints

from tests.conformance.families.designs import select
from tests.conformance.families.drives import observe_drive
from tests.conformance.families.priors import on_support

POSTERIORS = ("bball_drive_event_1-hmm_drive_1",)
data = select("u", "v", "alpha", "tau", "rho")


def program(u, v, alpha, tau, rho):
    prior = dist.Normal(torch.tensor([0.0, 3.0]), 1.0)
    phi = on_support("phi", constraints.ordered_vector, prior)
    centre = on_support("lambda", constraints.ordered_vector, prior)
    emission = dist.Normal(phi, tau).log_prob(u.unsqueeze(-1))
    observe_drive(alpha, emission + dist.Normal(centre, rho).log_prob(v.unsqueeze(-1)))
