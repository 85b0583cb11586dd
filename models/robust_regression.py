"""Robust linear regression: Student-t errors tolerate outliers.

Source: Lange, Little and Taylor (1989), "Robust statistical modeling using the t
distribution", Journal of the American Statistical Association 84:881-896; degrees of freedom
after Juarez and Steel (2010), Journal of Business and Economic Statistics 28:52-66.
Data: stack loss of a plant oxidising ammonia, 21 days, of which four are known outliers:
Brownlee, Statistical Theory and Methodology in Science and Engineering (2nd ed., 1965).
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

AIR_FLOW = [80, 80, 75, 62, 62, 62, 62, 62, 58, 58, 58, 58, 58, 58, 50, 50, 50, 50, 50, 56, 70]
WATER = [27, 27, 25, 24, 22, 23, 24, 24, 23, 18, 18, 17, 18, 19, 18, 18, 19, 19, 20, 20, 20]
ACID = [89, 88, 90, 87, 87, 87, 93, 93, 87, 80, 89, 88, 82, 93, 89, 86, 72, 79, 80, 82, 91]
LOSS = [42, 37, 37, 28, 18, 18, 19, 20, 15, 14, 14, 13, 11, 12, 8, 7, 8, 8, 9, 15, 15]


def robust_regression(x: torch.Tensor, y: torch.Tensor | None = None) -> None:
    """`x`: standardised air flow, water temperature and acid, (day, predictor); `y`: losses."""
    alpha = pyro.sample("alpha", dist.Normal(20.0, 20.0))
    with pyro.plate("predictor", x.shape[1]):
        beta = pyro.sample("beta", dist.Normal(0.0, 10.0))
    sigma = pyro.sample("sigma", dist.HalfNormal(10.0))
    nu = pyro.sample("nu", dist.Gamma(2.0, 0.1))
    with pyro.plate("day", x.shape[0]):
        pyro.sample("y", dist.StudentT(nu, alpha + x @ beta, sigma), obs=y)


def data() -> dict[str, torch.Tensor]:
    """The 21 days, each predictor to mean 0 and standard deviation 1."""
    x = torch.tensor([AIR_FLOW, WATER, ACID], dtype=torch.float64).T
    return {"x": (x - x.mean(0)) / x.std(0), "y": torch.tensor(LOSS, dtype=torch.float64)}


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "alpha": (17.5542, 0.0036, 0.7557, 0.0043),
    "sigma": (3.149, 0.0049, 0.7284, 0.0055),
    "nu": (19.215, 0.066, 13.856, 0.085),
    "beta[1]": (6.9173, 0.0073, 1.3992, 0.0071),
    "beta[2]": (3.5899, 0.0072, 1.3459, 0.0066),
    "beta[3]": (-0.7219, 0.0041, 0.8425, 0.0048),
}
