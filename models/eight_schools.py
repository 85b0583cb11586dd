"""Eight schools: a hierarchical normal model, non-centred.

Source: Rubin (1981), "Estimation in parallel randomized experiments", Journal of Educational
Statistics 6:377-401; Gelman et al., Bayesian Data Analysis (3rd ed., 2013), section 5.5.
Priors as in posteriordb. The effects are written as `mu + tau * theta_raw`, which lets the
sampler move where `tau` is small; `eight_schools_centered` is the form that cannot.
Data: estimated effect of coaching on SAT-V scores in eight schools, with its standard error
(Rubin 1981).
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

from probgen.inference.nuts import NUTS

method = NUTS(target_accept=0.95)  # short steps for the neck that is left at small tau


def eight_schools(sigma: torch.Tensor, y: torch.Tensor | None = None) -> None:
    """`sigma`: standard errors, shape (school,); `y`: estimated effects, in points."""
    mu = pyro.sample("mu", dist.Normal(0.0, 5.0))
    tau = pyro.sample("tau", dist.HalfCauchy(5.0))
    with pyro.plate("school", len(sigma)):
        theta_raw = pyro.sample("theta_raw", dist.Normal(0.0, 1.0))
        theta = pyro.deterministic("theta", mu + tau * theta_raw, event_dim=0)
        pyro.sample("y", dist.Normal(theta, sigma), obs=y)


def data() -> dict[str, torch.Tensor]:
    """Effects and standard errors of the eight schools, A to H."""
    return {
        "sigma": torch.tensor([15, 10, 16, 11, 9, 11, 10, 18], dtype=torch.float64),
        "y": torch.tensor([28, 8, -3, 7, -1, 1, 18, 12], dtype=torch.float64),
    }


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "mu": (4.403, 0.015, 3.322, 0.017),
    "tau": (3.606, 0.017, 3.232, 0.028),
    "theta[1]": (6.282, 0.027, 5.602, 0.039),
    "theta[2]": (4.959, 0.021, 4.669, 0.026),
    "theta[3]": (3.925, 0.025, 5.336, 0.037),
}
