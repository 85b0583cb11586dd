"""Deaths by Covid-19 in fourteen countries: a renewal process slowed by interventions.

Versions 2 and 3 have the same text. Days after the last observation are left out.
"""

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from pyro.distributions import constraints

from tests.conformance.families.designs import arrays
from tests.conformance.families.priors import on_support

POSTERIORS = ("ecdc0401-covid19imperial_v3", "ecdc0501-covid19imperial_v2")
EXPLAINED = (
    "the Gamma(1/6, 1) prior of alpha_hier is a spike at zero; its logarithm, in which chains "
    "move, has a tail of scale six, flat in the likelihood, where a chain stays for long"
)
POSITIVE = constraints.independent(constraints.positive, 1)


def program(deaths, counted, covariates, interval, fatality, population, seeded):
    countries = deaths.shape[1]
    tau = pyro.sample("tau", dist.Exponential(0.03))
    y = pyro.sample("y", dist.Exponential(1.0 / tau).expand([countries]).to_event(1))
    phi = pyro.sample("phi", dist.HalfNormal(5.0))
    kappa = pyro.sample("kappa", dist.HalfNormal(0.5))
    mu = on_support("mu", POSITIVE, dist.Normal(3.28, kappa).expand([countries]))
    hier = dist.Gamma(0.1667, 1.0).expand([covariates.shape[-1]]).to_event(1)
    alpha = pyro.sample("alpha_hier", hier) - np.log(1.05) / 6.0
    noise = on_support("ifr_noise", POSITIVE, dist.Normal(1.0, 0.1).expand([countries]))
    reproduction = mu * torch.exp(-(covariates @ alpha)).T
    infections = _infections(y, reproduction, interval, population, seeded)
    expected = noise * torch.einsum("dsm,sm->dm", fatality, infections)
    rate = phi / torch.where(counted, expected, 1.0)
    likelihood = dist.GammaPoisson(phi, rate).log_prob(deaths)
    pyro.factor("deaths", torch.where(counted, likelihood, 0.0).sum())


def _infections(y, reproduction, interval, population, seeded):
    """New infections by day, (day, country): earlier ones times how infectious they are now.

    `recent` holds those of all days before, the last first: steps of one shape are one loop.
    """
    daily, total = [y] * seeded, y * (seeded - 1)
    recent = torch.cat([torch.stack(daily), torch.zeros(len(interval) - seeded, len(y))])
    for day in range(seeded, len(reproduction)):
        total = total + daily[-1]
        daily.append((1.0 - total / population) * reproduction[day] * (interval @ recent))
        recent = torch.cat([daily[-1].unsqueeze(0), recent[:-1]])
    return torch.stack(daily)


def data(raw):
    given, days = arrays(raw), max(raw["N"])
    day = np.arange(1, days + 1)[:, None]
    counted = (day >= given["EpidemicStart"]) & (day <= given["N"])
    lag = day - 1 - np.arange(days)[None, :]
    fatality = np.where((lag > 0)[..., None], given["f"][np.clip(lag - 1, 0, None)], 0.0)
    return {
        "deaths": np.where(counted, given["deaths"][:days], 0.0),
        "counted": counted,
        "covariates": given["X"][:, :days],
        "interval": given["SI"][:days],
        "fatality": fatality,
        "population": given["pop"],
        "seeded": raw["N0"],
    }
