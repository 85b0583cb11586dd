"""Carbon evolved from soil: two pools that feed each other.

The equations are linear, and solved here by the exponential of their matrix A, whose two rates
of decay are distinct: exp(A t) = exp(m t) (cosh(d t) + sinh(d t) (A - m) / d), with m half the
trace of A.
"""

import pyro
import pyro.distributions as dist

from probgen import NUTS
from tests.conformance.families.designs import select

POSTERIORS = ("soil_carbon-soil_incubation",)
INIT = {"k1": 0.1, "k2": 0.1, "alpha21": 0.3, "alpha12": 0.3, "gamma": 0.9, "sigma": 0.5}
METHOD = NUTS(target_accept=0.995)  # rates and transfers are hardly told apart: a bent ridge
DRAWS = 20000
data = select("ts", "eCO2mean", total="totalC_t0")


def program(ts, eCO2mean, total):
    k1, k2, alpha21, alpha12 = (
        pyro.sample(name, dist.HalfNormal(1.0)) for name in ("k1", "k2", "alpha21", "alpha12")
    )
    gamma = pyro.sample("gamma", dist.Beta(10.0, 1.0))
    sigma = pyro.sample("sigma", dist.HalfCauchy(1.0))
    middle = -0.5 * (k1 + k2)
    half_gap = (0.25 * (k1 - k2).square() + alpha12 * alpha21 * k1 * k2).sqrt()
    slower = ((middle + half_gap) * ts).exp()
    faster = ((middle - half_gap) * ts).exp()
    change = gamma * k1 * (alpha21 - 1.0) + (1.0 - gamma) * k2 * (alpha12 - 1.0)
    left = 0.5 * (slower + faster) + 0.5 * (slower - faster) * (change - middle) / half_gap
    with pyro.plate("time", len(ts)):
        pyro.sample("eCO2mean", dist.Normal(total * (1.0 - left), sigma), obs=eCO2mean)
