"""Germination of seeds, an effect per plate with a gamma precision."""

import pyro
import pyro.distributions as dist

from probgen import NUTS
from tests.conformance.families.designs import select
from tests.conformance.families.seeds import observe, plate_effects

POSTERIORS = ("seeds_data-seeds_model",)
METHOD = NUTS(target_accept=0.95)
data = select("n", "N", "x1", "x2")


def program(n, N, x1, x2):
    tau = pyro.sample("tau", dist.Gamma(1e-3, 1e-3))
    b = plate_effects("b", tau.rsqrt(), len(n))
    observe(n, N, x1, x2, 1e3, b)
