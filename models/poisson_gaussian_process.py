"""Poisson counts whose log rate is a Gaussian process (log-Gaussian Cox process in bins).

Source: Moller, Syversveen and Waagepetersen (1998), "Log Gaussian Cox processes",
Scandinavian Journal of Statistics 25:451-482. The function is written through independent
normals and the Cholesky factor of its covariance.
Data: coal-mining disasters per year in Britain, 1851-1961: Jarrett (1979), "A note on the
intervals between coal-mining disasters", Biometrika 66:191-193.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

DISASTERS = [
    4, 5, 4, 0, 1, 4, 3, 4, 0, 6, 3, 3, 4, 0, 2, 6, 3, 3, 5, 4, 5, 3, 1, 4, 4, 1, 5, 5, 3, 4, 2,
    5, 2, 2, 3, 4, 2, 1, 3, 2, 2, 1, 1, 1, 1, 3, 0, 0, 1, 0, 1, 1, 0, 0, 3, 1, 0, 3, 2, 2, 0, 1,
    1, 1, 0, 1, 0, 1, 0, 0, 0, 2, 1, 0, 0, 0, 1, 1, 0, 2, 3, 3, 1, 1, 2, 1, 1, 1, 1, 2, 4, 2, 0,
    0, 1, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1,
]  # fmt: skip


def poisson_gaussian_process(x: torch.Tensor, y: torch.Tensor | None = None) -> None:
    """`x`: inputs in decades, shape (year,); `y`: counts, shape (year,)."""
    mean = pyro.sample("mean", dist.Normal(0.0, 1.0))
    lengthscale = pyro.sample("lengthscale", dist.InverseGamma(5.0, 10.0))
    amplitude = pyro.sample("amplitude", dist.HalfNormal(1.0))
    squares = (x.unsqueeze(-1) - x).square() / lengthscale.square()
    covariance = amplitude.square() * torch.exp(-0.5 * squares)
    factor = torch.linalg.cholesky(covariance + 1e-6 * torch.eye(len(x), dtype=x.dtype))
    year = pyro.plate("year", len(x))
    with year:
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
    rate = (mean + (factor @ z.unsqueeze(-1)).squeeze(-1)).exp()
    with year:
        pyro.deterministic("rate", rate, event_dim=0)
        pyro.sample("y", dist.Poisson(rate), obs=y)


def data() -> dict[str, torch.Tensor]:
    """The 111 years."""
    years = torch.arange(len(DISASTERS), dtype=torch.float64)
    return {"x": years / 10.0, "y": torch.tensor(DISASTERS, dtype=torch.float64)}
