"""Germination of seeds, effects per plate that sum to zero."""

import pyro
import pyro.distributions as dist

from probgen import NUTS
from tests.conformance.families.designs import select
from tests.conformance.families.seeds import observe, plate_effects

POSTERIORS = ("seeds_data-seeds_centered_model",)
METHOD = NUTS(target_accept=0.95)
data = select("n", "N", "x1", "x2")


def program(n, N, x1, x2):
    sigma = pyro.sample("sigma", dist.HalfCauchy(1.0))
    c = plate_effects("c", sigma, len(n))
    observe(n, N, x1, x2, 1.0, pyro.deterministic("b", c - c.mean()))
