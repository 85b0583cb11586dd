"""Local level: a noisy random walk, summed out by a Kalman filter.

Source: Durbin and Koopman, Time Series Analysis by State Space Methods (2001), chapter 2. The
level itself is not sampled: together with both deviations it makes a narrow posterior. What
the filter knows of it after each year is recorded.
Data: yearly flow of the Nile at Aswan, 1871-1970, in 10^10 m^3: Cobb (1978), "The problem of
the Nile", Biometrika 65:243-251.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

FLOW = [
    1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960,
    1180, 799, 958, 1140, 1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694,
    940, 833, 701, 916, 692, 1020, 1050, 969, 831, 726, 456, 824, 702, 1120, 1100, 832, 764,
    821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759, 781, 865, 845, 944, 984, 897, 822,
    1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890, 744, 749, 838, 1050, 918,
    986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
]  # fmt: skip


def local_level(series: torch.Tensor, y: torch.Tensor | None = None) -> None:
    """`series`: flow, shape (year,); `y`: the same, predicted one year ahead."""
    sigma_level = pyro.sample("sigma_level", dist.HalfNormal(1.0))
    sigma = pyro.sample("sigma", dist.HalfNormal(2.0))
    mean, variance = torch.tensor(10.0), torch.tensor(9.0)  # of the level of the first year
    expected, deviation, filtered = [], [], []
    for value in series:
        total = variance + sigma.square()
        expected.append(mean)
        deviation.append(total.sqrt())
        gain = variance / total
        mean = mean + gain * (value - mean)
        variance = variance * (1.0 - gain) + sigma_level.square()
        filtered.append(mean)
    with pyro.plate("year", len(series)):
        pyro.deterministic("level", torch.stack(filtered, -1), event_dim=0)
        one_ahead = dist.Normal(torch.stack(expected, -1), torch.stack(deviation, -1))
        pyro.sample("y", one_ahead, obs=y)


def data() -> dict[str, torch.Tensor]:
    """The 100 years."""
    flow = torch.tensor(FLOW, dtype=torch.float64) / 100.0
    return {"series": flow, "y": flow}


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "sigma_level": (0.4368, 0.001, 0.159, 0.00088),
    "sigma": (1.22142, 0.00082, 0.12666, 0.00063),
    "level[1]": (11.02869, 0.00019, 0.0302, 0.00014),
    "level[2]": (11.31464, 0.00023, 0.03358, 0.00022),
    "level[3]": (10.65076, 0.00057, 0.08255, 0.00078),
}
