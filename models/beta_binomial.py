"""Beta-binomial: many success rates, each pulled to a common mean.

Source: Gelman et al., Bayesian Data Analysis (3rd ed., 2013), section 5.3; priors on the mean
and the prior sample size after Carpenter (2016), "Hierarchical partial pooling for repeated
binary trials" (Stan case study).
Data: hits of 18 baseball players in their first 45 times at bat of the 1970 season: Efron and
Morris (1975), "Data analysis using Stein's estimator and its generalizations", Journal of the
American Statistical Association 70:311-319.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

from probgen import NUTS

method = NUTS(target_accept=0.95)  # at large sizes the rates are squeezed together

HITS = {
    "Clemente": 18, "F. Robinson": 17, "F. Howard": 16, "Johnstone": 15, "Berry": 14,
    "Spencer": 14, "Kessinger": 13, "L. Alvarado": 12, "Santo": 11, "Swoboda": 11,
    "Unser": 10, "Williams": 10, "Scott": 10, "Petrocelli": 10, "E. Rodriguez": 10,
    "Campaneris": 9, "Munson": 8, "Alvis": 7,
}  # fmt: skip


def beta_binomial(at_bats: torch.Tensor, hits: torch.Tensor | None = None) -> None:
    """`at_bats`, `hits`: trials and successes, shape (player,)."""
    mean = pyro.sample("mean", dist.Uniform(0.0, 1.0))
    size = pyro.sample("size", dist.Pareto(1.0, 1.5))
    with pyro.plate("player", len(at_bats)):
        rate = pyro.sample("rate", dist.Beta(mean * size, (1.0 - mean) * size))
        pyro.sample("hits", dist.Binomial(at_bats, rate), obs=hits)


def data() -> dict[str, torch.Tensor]:
    """The 18 players, 45 times at bat each."""
    hits = torch.tensor(list(HITS.values()), dtype=torch.float64)
    return {"at_bats": torch.full_like(hits, 45.0), "hits": hits}


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "mean": (0.268567, 9.9e-05, 0.02104, 0.00011),
    "rate[1]": (0.32211, 0.00031, 0.05221, 0.00027),
    "rate[2]": (0.31317, 0.00027, 0.05016, 0.00027),
    "rate[3]": (0.30375, 0.00023, 0.04834, 0.00027),
}
