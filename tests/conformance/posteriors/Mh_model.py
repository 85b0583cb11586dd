"""Capture and recapture: detection varies by individual."""

import pyro.distributions as dist

from tests.conformance.families.capture import observe_captures
from tests.conformance.families.designs import select
from tests.conformance.families.priors import normals, uniform

POSTERIORS = ("Mh_data-Mh_model",)
data = select(times="y", occasions="T")


def program(times, occasions):
    omega, mean_p = uniform("omega", 0.0, 1.0), uniform("mean_p", 0.0, 1.0)
    sigma = uniform("sigma", 0.0, 5.0)
    logits = mean_p.logit() + sigma * normals("eps_raw", len(times))
    observe_captures(omega, dist.Binomial(occasions, logits=logits).log_prob(times), times > 0)
