"""Gaussian process regression with all hyperparameters sampled.

Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), chapters 2 and
5: a smooth trend (squared exponential) plus noise, the function summed out exactly.
Data: yearly flow of the Nile at Aswan, 1871-1970, in 10^10 m^3: Cobb (1978), "The problem of
the Nile", Biometrika 65:243-251.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

from probgen.models.local_level import FLOW


def gaussian_process_regression(x: torch.Tensor, y: torch.Tensor | None = None) -> None:
    """`x`: inputs in decades, shape (year,); `y`: standardised values, shape (year,)."""
    lengthscale = pyro.sample("lengthscale", dist.InverseGamma(5.0, 5.0))
    amplitude = pyro.sample("amplitude", dist.HalfNormal(1.0))
    noise = pyro.sample("noise", dist.HalfNormal(1.0))
    squares = (x.unsqueeze(-1) - x).square() / lengthscale.square()
    smooth = amplitude.square() * torch.exp(-0.5 * squares)
    covariance = smooth + noise.square() * torch.eye(len(x), dtype=x.dtype)
    pyro.sample("y", dist.MultivariateNormal(torch.zeros_like(x), covariance), obs=y)


def data() -> dict[str, torch.Tensor]:
    """The 100 years, standardised."""
    flow = torch.tensor(FLOW, dtype=torch.float64)
    years = torch.arange(len(FLOW), dtype=torch.float64)
    return {"x": years / 10.0, "y": (flow - flow.mean()) / flow.std()}


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "lengthscale": (1.188, 0.0063, 0.6764, 0.0067),
    "amplitude": (0.7172, 0.0022, 0.2418, 0.0027),
    "noise": (0.79504, 0.00056, 0.06517, 0.0005),
}
