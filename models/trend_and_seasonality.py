"""A trend with soft kinks plus a yearly season, as in Prophet.

Source: Taylor and Letham (2018), "Forecasting at scale", The American Statistician 72:37-45:
a piecewise linear trend whose slope changes are sparse (Laplace), and Fourier terms.
Data: international airline passengers per month, 1949-1960, in thousands: Box and Jenkins,
Time Series Analysis: Forecasting and Control (1970), series G.
"""

from __future__ import annotations

import math

import pyro
import pyro.distributions as dist
import torch

PASSENGERS = [
    112, 118, 132, 129, 121, 135, 148, 148, 136, 119, 104, 118,
    115, 126, 141, 135, 125, 149, 170, 170, 158, 133, 114, 140,
    145, 150, 178, 163, 172, 178, 199, 199, 184, 162, 146, 166,
    171, 180, 193, 181, 183, 218, 230, 242, 209, 191, 172, 194,
    196, 196, 236, 235, 229, 243, 264, 272, 237, 211, 180, 201,
    204, 188, 235, 227, 234, 264, 302, 293, 259, 229, 203, 229,
    242, 233, 267, 269, 270, 315, 364, 347, 312, 274, 237, 278,
    284, 277, 317, 313, 318, 374, 413, 405, 355, 306, 271, 306,
    315, 301, 356, 348, 355, 422, 465, 467, 404, 347, 305, 336,
    340, 318, 362, 348, 363, 435, 491, 505, 404, 359, 310, 337,
    360, 342, 406, 396, 420, 472, 548, 559, 463, 407, 362, 405,
    417, 391, 419, 461, 472, 535, 622, 606, 508, 461, 390, 432,
]  # fmt: skip
KINKS, HARMONICS = 15, 5


def trend_and_seasonality(
    time: torch.Tensor, kinks: torch.Tensor, season: torch.Tensor, y: torch.Tensor | None = None
) -> None:
    """`time`: 0 to 1; `season`: Fourier terms, (month, term); `y`: (month,)."""
    level = pyro.sample("level", dist.Normal(0.0, 1.0))
    slope = pyro.sample("slope", dist.Normal(0.0, 2.0))
    with pyro.plate("kink", len(kinks)):
        change = pyro.sample("change", dist.Laplace(0.0, 0.3))
    with pyro.plate("term", season.shape[1]):
        beta = pyro.sample("beta", dist.Normal(0.0, 0.5))
    sigma = pyro.sample("sigma", dist.HalfNormal(0.5))
    since = (time.unsqueeze(-1) - kinks).clamp(min=0.0)
    mean = level + slope * time + since @ change + season @ beta
    with pyro.plate("month", len(time)):
        pyro.sample("y", dist.Normal(mean, sigma), obs=y)


def data() -> dict[str, torch.Tensor]:
    """The logarithms of the 144 months, standardised."""
    y = torch.tensor(PASSENGERS, dtype=torch.float64).log()
    months = torch.arange(len(y), dtype=torch.float64)
    angles = 2.0 * math.pi / 12.0 * months.unsqueeze(-1) * torch.arange(1, HARMONICS + 1)
    return {
        "time": months / (len(y) - 1),
        "kinks": torch.linspace(0.0, 0.8, KINKS + 2, dtype=torch.float64)[1:-1],
        "season": torch.cat([angles.sin(), angles.cos()], 1),
        "y": (y - y.mean()) / y.std(),
    }


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "level": (-1.709, 0.00025, 0.04208, 0.0002),
    "slope": (2.5635, 0.0051, 0.7123, 0.004),
    "sigma": (0.097919, 4e-05, 0.006807, 3.5e-05),
    "change[1]": (0.6681, 0.0058, 0.7344, 0.0059),
    "change[2]": (0.9226, 0.005, 0.724, 0.0036),
    "change[3]": (0.2538, 0.0027, 0.4177, 0.0031),
    "beta[1]": (0.061335, 6.2e-05, 0.011648, 6.2e-05),
    "beta[2]": (0.132517, 6.1e-05, 0.011545, 6.6e-05),
    "beta[3]": (-0.062447, 6.2e-05, 0.011474, 6.3e-05),
}
