"""Capture and recapture: detection varies by occasion and by individual."""

import pyro
import pyro.distributions as dist

from tests.conformance.families.capture import observe_captures
from tests.conformance.families.designs import select
from tests.conformance.families.priors import normals, uniform

POSTERIORS = ("Mth_data-Mth_model",)
data = select("y")


def program(y):
    omega, sigma = uniform("omega", 0.0, 1.0), uniform("sigma", 0.0, 5.0)
    mean_p = pyro.sample("mean_p", dist.Uniform(0.0, 1.0).expand([y.shape[1]]).to_event(1))
    logits = mean_p.logit() + sigma * normals("eps_raw", len(y)).unsqueeze(-1)
    history = dist.Bernoulli(logits=logits).log_prob(y).sum(-1)
    observe_captures(omega, history, y.sum(-1) > 0)
