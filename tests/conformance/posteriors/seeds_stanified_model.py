"""Germination of seeds, an effect per plate, narrower priors."""

import pyro
import pyro.distributions as dist

from probgen import NUTS
from tests.conformance.families.designs import select
from tests.conformance.families.seeds import observe, plate_effects

POSTERIORS = ("seeds_data-seeds_stanified_model",)
METHOD = NUTS(target_accept=0.95)
data = select("n", "N", "x1", "x2")


def program(n, N, x1, x2):
    sigma = pyro.sample("sigma", dist.HalfCauchy(1.0))
    observe(n, N, x1, x2, 1.0, plate_effects("b", sigma, len(n)))
