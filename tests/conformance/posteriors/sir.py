"""Cholera by susceptible, infected and recovered, and bacteria in the water."""

import pyro
import pyro.distributions as dist
import torch

from tests.conformance.families.designs import select
from tests.conformance.families.runge_kutta import solve

POSTERIORS = ("sir-sir",)
INIT = {"beta": 0.6, "gamma": 0.2, "xi": 1.0, "delta": 0.2}
STEPS_PER_WEEK = 14
KAPPA = 1e6
data = select("t", "y0", "stoi_hat", "B_hat")


def program(t, y0, stoi_hat, B_hat):
    beta, gamma, xi, delta = (
        pyro.sample(name, dist.HalfCauchy(scale))
        for name, scale in (("beta", 2.5), ("gamma", 1.0), ("xi", 25.0), ("delta", 1.0))
    )

    def slope(state):
        susceptible, infected, bacteria = state
        new = beta * bacteria / (bacteria + KAPPA) * susceptible
        return torch.stack([-new, new - gamma * infected, xi * infected - delta * bacteria])

    states = solve(slope, torch.stack([y0[0], y0[1], y0[3]]), t, STEPS_PER_WEEK)
    susceptible = torch.cat([y0[:1], states[:, 0]])
    with pyro.plate("week", len(t)):
        pyro.sample("stoi_hat", dist.Poisson(susceptible[:-1] - susceptible[1:]), obs=stoi_hat)
        pyro.sample("B_hat", dist.LogNormal(states[:, 2].log(), 0.15), obs=B_hat)
