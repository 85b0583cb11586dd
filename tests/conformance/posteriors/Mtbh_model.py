"""Capture and recapture: detection varies by occasion, individual, and after a capture."""

import pyro
import pyro.distributions as dist
import torch

from tests.conformance.families.capture import observe_captures
from tests.conformance.families.designs import select
from tests.conformance.families.priors import normals, uniform

POSTERIORS = ("Mtbh_data-Mtbh_model",)
data = select("y")


def program(y):
    omega, sigma = uniform("omega", 0.0, 1.0), uniform("sigma", 0.0, 3.0)
    mean_p = pyro.sample("mean_p", dist.Uniform(0.0, 1.0).expand([y.shape[1]]).to_event(1))
    gamma = pyro.sample("gamma", dist.Normal(0.0, 10.0))
    before = torch.cat([torch.zeros_like(y[:, :1]), y[:, :-1]], dim=1)
    eps = sigma * normals("eps_raw", len(y)).unsqueeze(-1)
    logits = mean_p.logit() + eps + gamma * before
    history = dist.Bernoulli(logits=logits).log_prob(y).sum(-1)
    observe_captures(omega, history, y.sum(-1) > 0)
