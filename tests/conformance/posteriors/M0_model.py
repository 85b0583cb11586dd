"""Capture and recapture: one probability of detection."""

import numpy as np
import pyro.distributions as dist

from tests.conformance.families.capture import observe_captures
from tests.conformance.families.priors import uniform

POSTERIORS = ("M0_data-M0_model",)


def program(times, occasions):
    omega, p = uniform("omega", 0.0, 1.0), uniform("p", 0.0, 1.0)
    observe_captures(omega, dist.Binomial(occasions, p).log_prob(times), times > 0)


def data(raw):
    return {"times": np.sum(raw["y"], axis=1, dtype=np.float64), "occasions": raw["T"]}
