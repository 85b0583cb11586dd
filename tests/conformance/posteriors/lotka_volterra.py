"""Lotka and Volterra's lynx and hare: Runge-Kutta steps in place of Stan's adaptive solver."""

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from pyro.distributions import constraints

from tests.conformance.families.designs import select
from tests.conformance.families.priors import on_support
from tests.conformance.families.runge_kutta import solve

POSTERIORS = ("hudson_lynx_hare-lotka_volterra",)
INIT = {"theta": [0.5, 0.02, 0.9, 0.02], "z_init": [30.0, 5.0], "sigma": [0.4, 0.4]}
STEPS_PER_YEAR = 4
data = select("ts", "y_init", "y")


def program(ts, y_init, y):
    centre, spread = torch.tensor([1.0, 0.05, 1.0, 0.05]), torch.tensor([0.5, 0.05, 0.5, 0.05])
    positive = constraints.independent(constraints.positive, 1)
    theta = on_support("theta", positive, dist.Normal(centre, spread))
    z_init = pyro.sample("z_init", dist.LogNormal(np.log(10.0), 1.0).expand([2]).to_event(1))
    sigma = pyro.sample("sigma", dist.LogNormal(-1.0, 1.0).expand([2]).to_event(1))
    growth = theta[::2] * torch.tensor([1.0, -1.0])
    meeting = theta[1::2] * torch.tensor([-1.0, 1.0])

    def slope(z):
        return z * (growth + meeting * z.flip(0))

    yearly = solve(slope, z_init, ts, STEPS_PER_YEAR)
    pyro.sample("y_init", dist.LogNormal(z_init.log(), sigma).to_event(1), obs=y_init)
    with pyro.plate("year", len(y)):
        pyro.sample("y", dist.LogNormal(yearly.log(), sigma).to_event(1), obs=y)
