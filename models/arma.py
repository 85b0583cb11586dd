"""ARMA(1, 1): a value leans on the one before it and on its error.

Source: Box and Jenkins, Time Series Analysis: Forecasting and Control (1970); for this series
Brockwell and Davis, Time Series: Theory and Methods (2nd ed., 1991), appendix A. The first
error is taken to be zero, stationarity and invertibility are imposed.
Data: mean level of Lake Huron in feet, 1875-1972, less 570: Brockwell and Davis (1991).
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

LEVEL = [
    580.38, 581.86, 580.97, 580.80, 579.79, 580.39, 580.42, 580.82, 581.40, 581.32, 581.44,
    581.68, 581.17, 580.53, 580.01, 579.91, 579.14, 579.16, 579.55, 579.67, 578.44, 578.24,
    579.10, 579.09, 579.35, 578.82, 579.32, 579.01, 579.00, 579.80, 579.83, 579.72, 579.89,
    580.01, 579.37, 578.69, 578.19, 578.67, 579.55, 578.92, 578.09, 579.37, 580.13, 580.14,
    579.51, 579.24, 578.66, 578.86, 578.05, 577.79, 576.75, 576.75, 577.82, 578.64, 580.58,
    579.48, 577.38, 576.90, 576.94, 576.24, 576.84, 576.85, 576.90, 577.79, 578.18, 577.51,
    577.23, 578.42, 579.61, 579.05, 579.26, 579.22, 579.38, 579.10, 577.95, 578.12, 579.75,
    580.85, 580.41, 579.96, 579.61, 578.76, 578.18, 577.21, 577.13, 579.10, 578.25, 577.91,
    576.89, 575.96, 576.80, 577.68, 578.38, 578.52, 579.74, 579.31, 579.89, 579.96,
]  # fmt: skip


def arma(series: torch.Tensor, y: torch.Tensor | None = None) -> None:
    """`series`: level of the lake, shape (year,); `y`: the same, predicted one year ahead."""
    mu = pyro.sample("mu", dist.Normal(9.0, 2.0))
    phi = pyro.sample("phi", dist.Uniform(-1.0, 1.0))
    theta = pyro.sample("theta", dist.Uniform(-1.0, 1.0))
    sigma = pyro.sample("sigma", dist.HalfNormal(2.0))
    expected = [mu]
    for value in series[:-1]:
        error = value - expected[-1]
        expected.append(mu + phi * (value - mu) + theta * error)
    with pyro.plate("year", len(series)):
        pyro.sample("y", dist.Normal(torch.stack(expected, -1), sigma), obs=y)


def data() -> dict[str, torch.Tensor]:
    """The 98 yearly levels, in feet above 570."""
    level = torch.tensor(LEVEL, dtype=torch.float64) - 570.0
    return {"series": level, "y": level}


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "mu": (9.2205, 0.0023, 0.3958, 0.0025),
    "phi": (0.76123, 0.00047, 0.08325, 0.00039),
    "theta": (0.33045, 0.00059, 0.11185, 0.00052),
    "sigma": (0.71076, 0.00028, 0.05243, 0.00027),
}
