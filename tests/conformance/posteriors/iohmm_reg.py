"""Input-output hidden Markov chain: state probabilities and means regressed on inputs.

As in Stan's text, the next state depends on the input alone, weighted by the last state.
"""

import pyro
import pyro.distributions as dist
import torch

POSTERIORS = ("iohmm_reg_simulated-iohmm_reg",)
EXPLAINED = "states have no order: every permutation of them is a mode of its own"


def program(y, u, states):
    initial = pyro.sample("pi1", dist.Dirichlet(torch.ones(states)))
    with pyro.plate("state", states):
        w = pyro.sample("w", dist.Normal(0.0, 5.0).expand([u.shape[1]]).to_event(1))
        b = pyro.sample("b", dist.Normal(0.0, 5.0).expand([u.shape[1]]).to_event(1))
        sigma = pyro.sample("sigma", dist.HalfNormal(3.0))
    weight = torch.log_softmax(u @ w.T, dim=-1)
    emission = dist.Normal(u @ b.T, sigma).log_prob(y.unsqueeze(-1))
    forward = initial.log() + emission[0]
    for t in range(1, len(y)):
        forward = torch.logsumexp(forward + weight[t], dim=0) + emission[t]
    pyro.factor("observations", torch.logsumexp(forward, dim=0))


def data(raw):
    return {"y": raw["y"], "u": raw["u"], "states": raw["K"]}
