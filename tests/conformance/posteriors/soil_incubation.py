"""Carbon evolved from soil: two pools that feed each other."""

import pyro
import pyro.distributions as dist
import torch

from probgen import NUTS
from tests.conformance.families.designs import select
from tests.conformance.families.runge_kutta import solve

POSTERIORS = ("soil_carbon-soil_incubation",)
INIT = {"k1": 0.1, "k2": 0.1, "alpha21": 0.3, "alpha12": 0.3, "gamma": 0.9, "sigma": 0.5}
METHOD = NUTS(target_accept=0.99)  # rates and transfers are hardly told apart: a bent ridge
DRAWS = 4000
STEPS = 12
data = select("ts", "eCO2mean", total="totalC_t0")


def program(ts, eCO2mean, total):
    k1, k2, alpha21, alpha12 = (
        pyro.sample(name, dist.HalfNormal(1.0)) for name in ("k1", "k2", "alpha21", "alpha12")
    )
    gamma = pyro.sample("gamma", dist.Beta(10.0, 1.0))
    sigma = pyro.sample("sigma", dist.HalfCauchy(1.0))

    def slope(pools):
        first, second = pools
        return torch.stack(
            [-k1 * first + alpha12 * k2 * second, -k2 * second + alpha21 * k1 * first]
        )

    pools = solve(slope, total * torch.stack([gamma, 1.0 - gamma]), ts, STEPS)
    with pyro.plate("time", len(ts)):
        pyro.sample("eCO2mean", dist.Normal(total - pools.sum(-1), sigma), obs=eCO2mean)
