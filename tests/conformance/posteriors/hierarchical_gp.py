"""Presidential votes by state: Gaussian processes over elections for regions and states."""

import pyro
import pyro.distributions as dist
import torch

from tests.conformance.families.designs import arrays, index

POSTERIORS = ("state_wide_presidential_votes-hierarchical_gp",)
EXPLAINED = (
    "the regions show a length scale of 1.8 elections, which the slow or the fast process can "
    "take: two modes, and a chain stays in the one it finds"
)


def program(y, year, state, region, region_of_state, years, observed_years, regions):
    states = len(region_of_state)
    mu = pyro.sample("mu", dist.Normal(0.5, 0.5))
    total = pyro.sample("tot_var", dist.Gamma(3.0, 3.0))
    share = pyro.sample("prop_var", dist.Dirichlet(torch.full((17,), 2.0)))
    sigma = (17.0 * share * total).sqrt()
    year_effect = sigma[0] * _standard("year_std", observed_years)
    region_effect = sigma[1] * _standard("region_std", regions)
    state_effect = sigma[2:12][region_of_state] * _standard("state_std", states)
    region_path = _process("region", sigma[12], sigma[14], years, regions)
    state_path = _process("state", sigma[13], sigma[15], years, states)
    mean = mu + year_effect[year] + state_effect[state] + region_effect[region]
    mean = mean + region_path[year, region] + state_path[year, state]
    with pyro.plate("vote", len(y)):
        pyro.sample("y", dist.Normal(mean, sigma[16]), obs=y)


def _standard(name, *shape):
    return pyro.sample(name, dist.Normal(0.0, 1.0).expand(shape).to_event(len(shape)))


def _process(name, long, short, years, paths):
    """Paths (year, path) of a sum of a slow and a fast process."""
    time = torch.arange(years, dtype=torch.float64)
    squares = (time.unsqueeze(-1) - time).square()
    covariance = 1e-6 * torch.eye(years)
    for pace, sigma, typical in (("long", long, 8.0), ("short", short, 3.0)):
        length = pyro.sample(f"length_GP_{name}_{pace}", dist.Weibull(typical, 30.0))
        covariance = covariance + sigma.square() * torch.exp(-0.5 * squares / length.square())
    return torch.linalg.cholesky(covariance) @ _standard(f"GP_{name}_std", years, paths)


def data(raw):
    return {
        "y": arrays(raw)["y"],
        "year": index(raw["year_ind"]),
        "state": index(raw["state_ind"]),
        "region": index(raw["region_ind"]),
        "region_of_state": index(raw["state_region_ind"]),
        "years": raw["N_years"],
        "observed_years": raw["N_years_obs"],
        "regions": raw["N_regions"],
    }
