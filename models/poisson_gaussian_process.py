"""Poisson counts whose log rate is a Gaussian process (Cox process).

Source: Moller, Syversveen and Waagepetersen (1998), "Log Gaussian Cox processes",
Scandinavian Journal of Statistics 25:451-482. The function is written through independent
normals and the Cholesky factor of its covariance.
Data: coal-mining disasters in Britain, 1851-1961, by periods of three years: Jarrett (1979),
"A note on the intervals between coal-mining disasters", Biometrika 66:191-193.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

from probgen import NUTS

method = NUTS(target_accept=0.98)

DISASTERS = [
    4, 5, 4, 0, 1, 4, 3, 4, 0, 6, 3, 3, 4, 0, 2, 6, 3, 3, 5, 4, 5, 3, 1, 4, 4, 1, 5, 5, 3, 4, 2,
    5, 2, 2, 3, 4, 2, 1, 3, 2, 2, 1, 1, 1, 1, 3, 0, 0, 1, 0, 1, 1, 0, 0, 3, 1, 0, 3, 2, 2, 0, 1,
    1, 1, 0, 1, 0, 1, 0, 0, 0, 2, 1, 0, 0, 0, 1, 1, 0, 2, 3, 3, 1, 1, 2, 1, 1, 1, 1, 2, 4, 2, 0,
    0, 1, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1,
]  # fmt: skip


def poisson_gaussian_process(x: torch.Tensor, y: torch.Tensor | None = None) -> None:
    """`x`: middles of the periods in decades, shape (period,); `y`: counts, shape (period,)."""
    mean = pyro.sample("mean", dist.Normal(1.0, 1.0))
    lengthscale = pyro.sample("lengthscale", dist.InverseGamma(10.0, 20.0))
    amplitude = pyro.sample("amplitude", dist.Gamma(4.0, 4.0))
    squares = (x.unsqueeze(-1) - x).square() / lengthscale.square()
    correlation = torch.exp(-0.5 * squares) + 1e-5 * torch.eye(len(x), dtype=x.dtype)
    factor = amplitude * torch.linalg.cholesky(correlation)
    period = pyro.plate("period", len(x))
    with period:
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
    rate = (mean + (factor @ z.unsqueeze(-1)).squeeze(-1)).exp()
    with period:
        pyro.deterministic("rate", rate, event_dim=0)
        pyro.sample("y", dist.Poisson(rate), obs=y)


def data() -> dict[str, torch.Tensor]:
    """The 111 years as 37 periods of three."""
    y = torch.tensor(DISASTERS, dtype=torch.float64).reshape(-1, 3).sum(1)
    return {"x": (1.5 + 3.0 * torch.arange(len(y), dtype=torch.float64)) / 10.0, "y": y}


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "mean": (1.2738, 0.0058, 0.4988, 0.0064),
    "lengthscale": (1.9474, 0.0081, 0.5225, 0.0081),
    "amplitude": (0.9615, 0.0048, 0.3252, 0.0049),
    "rate[1]": (8.399, 0.014, 1.878, 0.015),
    "rate[2]": (8.628, 0.011, 1.487, 0.012),
    "rate[3]": (8.973, 0.01, 1.347, 0.01),
}
