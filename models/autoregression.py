"""Autoregression of order K: a value regressed on the K before it.

Source: Box and Jenkins, Time Series Analysis: Forecasting and Control (1970); for this
series Moran (1953), "The statistical analysis of the Canadian lynx cycle", Australian
Journal of Zoology 1:163-173, who fitted order two to the logarithms. The likelihood is
conditional on the first K values, and stationarity is not imposed.
Data: lynx trapped per year in the Mackenzie River district of Canada, 1821-1934: Elton and
Nicholson (1942), Journal of Animal Ecology 11:215-244.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

LYNX = [
    269, 321, 585, 871, 1475, 2821, 3928, 5943, 4950, 2577, 523, 98, 184, 279, 409, 2285, 2685,
    3409, 1824, 409, 151, 45, 68, 213, 546, 1033, 2129, 2536, 957, 361, 377, 225, 360, 731,
    1638, 2725, 2871, 2119, 684, 299, 236, 245, 552, 1623, 3311, 6721, 4254, 687, 255, 473,
    358, 784, 1594, 1676, 2251, 1426, 756, 299, 201, 229, 469, 736, 2042, 2811, 4431, 2511,
    389, 73, 39, 49, 59, 188, 377, 1292, 4031, 3495, 587, 105, 153, 387, 758, 1307, 3465, 6991,
    6313, 3794, 1836, 345, 382, 808, 1388, 2713, 3800, 3091, 2985, 3790, 674, 81, 80, 108, 229,
    399, 1132, 2432, 3574, 2935, 1537, 529, 485, 662, 1000, 1590, 2657, 3396,
]  # fmt: skip


def autoregression(past: torch.Tensor, y: torch.Tensor | None = None) -> None:
    """`past`: the K values before each value, nearest first, shape (year, lag); `y`: (year,)."""
    alpha = pyro.sample("alpha", dist.Normal(0.0, 5.0))
    with pyro.plate("lag", past.shape[1]):
        beta = pyro.sample("beta", dist.Normal(0.0, 1.0))
    sigma = pyro.sample("sigma", dist.HalfNormal(1.0))
    with pyro.plate("year", past.shape[0]):
        pyro.sample("y", dist.Normal(alpha + past @ beta, sigma), obs=y)


def lagged(series: torch.Tensor, order: int) -> dict[str, torch.Tensor]:
    """What `autoregression` takes, from a series: every value and the `order` before it."""
    windows = series.unfold(0, order + 1, 1)
    return {"past": windows[:, :-1].flip(1), "y": windows[:, -1]}


def data() -> dict[str, torch.Tensor]:
    """The base-10 logarithms of the lynx numbers, order two."""
    return lagged(torch.tensor(LYNX, dtype=torch.float64).log10(), order=2)


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "alpha": (1.05844, 0.00059, 0.12366, 0.00058),
    "sigma": (0.232918, 7.9e-05, 0.016124, 7.9e-05),
    "beta[1]": (1.37641, 0.00031, 0.06435, 0.00031),
    "beta[2]": (-0.74022, 0.00031, 0.06444, 0.00031),
}
