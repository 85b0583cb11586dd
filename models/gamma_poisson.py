"""Gamma-Poisson: failure rates of pumps, drawn from one distribution.

Source: Gaver and O'Muircheartaigh (1987), "Robust empirical Bayes analyses of event rates",
Technometrics 29:1-15; George, Makov and Smith (1993), "Conjugate likelihood distributions",
Scandinavian Journal of Statistics 20:147-156; BUGS Examples volume 1, Pumps.
Data: failures of ten power plant pumps and their hours of operation, in thousands: Gaver and
O'Muircheartaigh (1987).
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

HOURS = [94.3, 15.7, 62.9, 126.0, 5.24, 31.4, 1.05, 1.05, 2.1, 10.5]
FAILURES = [5, 1, 5, 14, 3, 19, 1, 1, 4, 22]


def gamma_poisson(hours: torch.Tensor, y: torch.Tensor | None = None) -> None:
    """`hours`: thousands in operation, `y`: failures, both of shape (pump,)."""
    alpha = pyro.sample("alpha", dist.Exponential(1.0))
    beta = pyro.sample("beta", dist.Gamma(0.1, 1.0))
    with pyro.plate("pump", len(hours)):
        rate = pyro.sample("rate", dist.Gamma(alpha, beta))
        pyro.sample("y", dist.Poisson(rate * hours), obs=y)


def data() -> dict[str, torch.Tensor]:
    """The ten pumps."""
    return {
        "hours": torch.tensor(HOURS, dtype=torch.float64),
        "y": torch.tensor(FAILURES, dtype=torch.float64),
    }


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "alpha": (0.6966, 0.0014, 0.2709, 0.0016),
    "beta": (0.9272, 0.0029, 0.5437, 0.0033),
    "rate[1]": (0.059802, 9.5e-05, 0.02505, 0.00015),
    "rate[2]": (0.10175, 0.00034, 0.07884, 0.00051),
    "rate[3]": (0.08921, 0.00015, 0.03759, 0.00022),
}
