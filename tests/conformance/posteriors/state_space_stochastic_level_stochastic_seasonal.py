"""Drivers killed in Britain by month: a level and a season that both move."""

import numpy as np
import pyro
import pyro.distributions as dist
from pyro.distributions import constraints

from probgen import NUTS
from tests.conformance.families.designs import arrays
from tests.conformance.families.priors import flat, on_support

POSTERIORS = ("uk_drivers-state_space_stochastic_level_stochastic_seasonal",)
METHOD = NUTS(target_accept=0.9)


def program(y, x, w, low, high):
    months = len(y)
    inside = constraints.independent(constraints.interval(low, high), 1)
    mu = pyro.sample("mu", dist.ImproperUniform(inside, (), (months,)))
    seasonal, beta, lam = flat("seasonal", months), flat("beta"), flat("lambda")
    prior = dist.StudentT(4.0, 0.0, 1.0).expand([3])
    sigma = on_support("sigma", constraints.positive_ordered_vector, prior)
    year_so_far = seasonal.unfold(0, 11, 1)[:-1].sum(-1)
    season = dist.Normal(-year_so_far, sigma[0]).log_prob(seasonal[11:])
    pyro.factor("season", season.sum())
    pyro.factor("level", dist.Normal(mu[:-1], sigma[1]).log_prob(mu[1:]).sum())
    with pyro.plate("month", months):
        mean = mu + beta * x + lam * w + seasonal
        pyro.sample("y", dist.Normal(mean, sigma[2]), obs=y)


def data(raw):
    given = arrays(raw)
    y = given["y"]
    reach = 3.0 * np.std(y, ddof=1)
    return {name: given[name] for name in ("y", "x", "w")} | {
        "low": y.mean() - reach,
        "high": y.mean() + reach,
    }
