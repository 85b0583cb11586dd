"""Drivers killed in Britain by month: a level and a season that both move.

Stan's text has the season itself as parameter; here its innovations are (non-centred), since
their scale is not kept away from zero. The level is slow: with the price of petrol it makes a
ridge that ends at hard walls.
"""

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from pyro.distributions import constraints

from probgen import NUTS
from tests.conformance.families.designs import arrays
from tests.conformance.families.priors import flat, on_support

POSTERIORS = ("uk_drivers-state_space_stochastic_level_stochastic_seasonal",)
METHOD = NUTS(target_accept=0.9)
WARMUP, DRAWS = 2000, 10_000


def program(y, x, w, low, high):
    months = len(y)
    inside = constraints.independent(constraints.interval(low, high), 1)
    mu = pyro.sample("mu", dist.ImproperUniform(inside, (), (months,)))
    beta, lam = flat("beta"), flat("lambda")
    prior = dist.StudentT(4.0, 0.0, 1.0).expand([3])
    sigma = on_support("sigma", constraints.positive_ordered_vector, prior)
    innovation = pyro.sample("innovation", dist.Normal(0.0, 1.0).expand([months - 11]).to_event(1))
    seasonal = pyro.deterministic(
        "seasonal", season(flat("first_year", 11), sigma[0] * innovation)
    )
    pyro.factor("level", dist.Normal(mu[:-1], sigma[1]).log_prob(mu[1:]).sum())
    with pyro.plate("month", months):
        mean = mu + beta * x + lam * w + seasonal
        pyro.sample("y", dist.Normal(mean, sigma[2]), obs=y)


def season(first_year, innovations):
    """Effects of the months: twelve in a row sum to an innovation."""
    effects, year_so_far = list(first_year), first_year
    for innovation in innovations:
        effects.append(innovation - year_so_far.sum())
        year_so_far = torch.cat([year_so_far[1:], effects[-1].unsqueeze(0)])
    return torch.stack(effects)


def data(raw):
    given = arrays(raw)
    y = given["y"]
    reach = 3.0 * np.std(y, ddof=1)
    return {name: given[name] for name in ("y", "x", "w")} | {
        "low": y.mean() - reach,
        "high": y.mean() + reach,
    }
