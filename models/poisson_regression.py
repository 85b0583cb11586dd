"""Poisson regression with an interaction: tool kits of islands.

Source: McElreath, Statistical Rethinking (2nd ed., 2020), section 11.2, priors included.
Data: number of kinds of tools, population, and rate of contact with other islands of ten
societies of Oceania: Kline and Boyd (2010), "Population size predicts technological
complexity in Oceania", Proceedings of the Royal Society B 277:2559-2564.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

# society: population, 1 where contact is high, number of tools
OCEANIA = {
    "Malekula": (1100, 0, 13),
    "Tikopia": (1500, 0, 22),
    "Santa Cruz": (3600, 0, 24),
    "Yap": (4791, 1, 43),
    "Lau Fiji": (7400, 1, 33),
    "Trobriand": (8000, 1, 19),
    "Chuuk": (9200, 1, 40),
    "Manus": (13000, 0, 28),
    "Tonga": (17500, 1, 55),
    "Hawaii": (275000, 0, 71),
}


def poisson_regression(
    log_population: torch.Tensor, high_contact: torch.Tensor, tools: torch.Tensor | None = None
) -> None:
    """All of shape (society,): standardised log population, contact (0 low, 1 high), counts."""
    with pyro.plate("contact", 2):
        alpha = pyro.sample("alpha", dist.Normal(3.0, 0.5))
        beta = pyro.sample("beta", dist.Normal(0.0, 0.2))
    with pyro.plate("society", len(log_population)):
        rate = torch.exp(alpha[high_contact] + beta[high_contact] * log_population)
        pyro.sample("tools", dist.Poisson(rate), obs=tools)


def data() -> dict[str, torch.Tensor]:
    """The ten societies, log population to mean 0 and standard deviation 1."""
    population, contact, tools = zip(*OCEANIA.values(), strict=True)
    log_population = torch.tensor(population, dtype=torch.float64).log()
    return {
        "log_population": (log_population - log_population.mean()) / log_population.std(),
        "high_contact": torch.tensor(contact),
        "tools": torch.tensor(tools, dtype=torch.float64),
    }


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "alpha[1]": (3.31969, 0.00044, 0.08723, 0.00039),
    "alpha[2]": (3.60959, 0.00035, 0.0726, 0.00034),
    "beta[1]": (0.37733, 0.00026, 0.05242, 0.00024),
    "beta[2]": (0.19298, 0.00077, 0.15849, 0.00074),
}
