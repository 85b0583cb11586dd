"""Dose and response: what share dies at a dose, and the lethal dose.

Source: Bliss (1935), "The calculation of the dosage-mortality curve", Annals of Applied
Biology 22:134-167; BUGS Examples volume 2, Beetles. The link is complementary log-log, as the
curve rises slowly and ends abruptly. The median lethal dose is on record.
Data: flour beetles killed by five hours of carbon disulphide, eight groups by log10 dose in
mg/l: Bliss (1935), table IV.
"""

from __future__ import annotations

import math

import pyro
import pyro.distributions as dist
import torch

DOSE = [1.6907, 1.7242, 1.7552, 1.7842, 1.8113, 1.8369, 1.8610, 1.8839]
BEETLES = [59, 60, 62, 56, 63, 59, 62, 60]
KILLED = [6, 13, 18, 28, 52, 53, 61, 60]


def dose_response(x: torch.Tensor, beetles: torch.Tensor, y: torch.Tensor | None = None) -> None:
    """`x`: log10 dose less 1.8, `beetles` and `y`: exposed and killed, all of shape (group,)."""
    alpha = pyro.sample("alpha", dist.Normal(0.0, 2.0))
    beta = pyro.sample("beta", dist.HalfNormal(30.0))
    pyro.deterministic("lethal_dose", 1.8 + (math.log(math.log(2.0)) - alpha) / beta)
    surviving = (-(alpha + beta * x).exp()).exp()
    with pyro.plate("group", len(x)):
        pyro.sample("y", dist.Binomial(beetles, 1.0 - surviving), obs=y)


def data() -> dict[str, torch.Tensor]:
    """The eight groups."""
    return {
        "x": torch.tensor(DOSE, dtype=torch.float64) - 1.8,
        "beetles": torch.tensor(BEETLES, dtype=torch.float64),
        "y": torch.tensor(KILLED, dtype=torch.float64),
    }


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "alpha": (0.10072, 0.0004, 0.0795, 0.00037),
    "beta": (22.1183, 0.009, 1.7717, 0.0083),
    "lethal_dose": (1.778735, 2e-05, 0.004026, 1.9e-05),
}
