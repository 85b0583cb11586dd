"""Local level: a random walk observed with noise, the simplest state-space model.

Source: Durbin and Koopman, Time Series Analysis by State Space Methods (2001), chapter 2. The
level is written through its steps (non-centred). The level itself is sampled, so that its
posterior is there to look at; the Kalman filter would sum it out. Priors keep both
deviations off zero: there the level runs through every observation, and chains get stuck.
Data: yearly flow of the Nile at Aswan, 1871-1970, in 10^10 m^3: Cobb (1978), "The problem of
the Nile", Biometrika 65:243-251.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

from probgen import NUTS

method = NUTS(target_accept=0.9)

FLOW = [
    1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960,
    1180, 799, 958, 1140, 1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694,
    940, 833, 701, 916, 692, 1020, 1050, 969, 831, 726, 456, 824, 702, 1120, 1100, 832, 764,
    821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759, 781, 865, 845, 944, 984, 897, 822,
    1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890, 744, 749, 838, 1050, 918,
    986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
]  # fmt: skip


def local_level(years: int, y: torch.Tensor | None = None) -> None:
    """`years`: length of the series; `y`: flow, shape (year,)."""
    start = pyro.sample("start", dist.Normal(10.0, 3.0))
    sigma_level = pyro.sample("sigma_level", dist.LogNormal(-1.0, 0.7))
    sigma = pyro.sample("sigma", dist.LogNormal(0.0, 0.5))
    year = pyro.plate("year", years)
    with year:
        step = pyro.sample("step", dist.Normal(0.0, 1.0))
    walk = sigma_level * step.cumsum(-1)
    with year:
        level = pyro.deterministic("level", start + walk, event_dim=0)
        pyro.sample("y", dist.Normal(level, sigma), obs=y)


def data() -> dict[str, torch.Tensor | int]:
    """The 100 years."""
    return {"years": len(FLOW), "y": torch.tensor(FLOW, dtype=torch.float64) / 100.0}
