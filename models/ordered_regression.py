"""Ordinal regression: a latent score cut into grades by thresholds.

Source: McCullagh (1980), "Regression models for ordinal data", Journal of the Royal
Statistical Society B 42:109-142 (cumulative logit, proportional odds).
Data: severity of pneumoconiosis (normal, mild, severe) in 371 coal miners by years of
exposure: Ashford (1959), "An approach to the analysis of data for semi-quantal responses in
biological assay", Biometrics 15:573-581.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions.transforms import OrderedTransform

EXPOSURE = (5.8, 15.0, 21.5, 27.5, 33.5, 39.5, 46.0, 51.5)
MINERS = [
    (98, 0, 0), (51, 2, 1), (34, 6, 3), (35, 5, 8), (32, 10, 9), (23, 7, 8), (12, 6, 10),
    (4, 2, 5),
]  # fmt: skip


def ordered_regression(x: torch.Tensor, grades: int, y: torch.Tensor | None = None) -> None:
    """`x`: log years of exposure, `y`: grade from 0, both of shape (miner,)."""
    beta = pyro.sample("beta", dist.Normal(0.0, 2.0))
    # The first cut and the logarithms of the gaps are normal.
    normal = dist.Normal(0.0, 2.0).expand([grades - 1]).to_event(1)
    cut = pyro.sample("cut", dist.TransformedDistribution(normal, OrderedTransform()))
    with pyro.plate("miner", len(x)):
        pyro.sample("y", dist.OrderedLogistic(beta * x, cut), obs=y)


def data() -> dict[str, torch.Tensor | int]:
    """The 371 miners, log exposure centred."""
    counts = torch.tensor(MINERS).flatten()
    x = torch.tensor(EXPOSURE, dtype=torch.float64).log().repeat_interleave(3)
    y = torch.arange(3).repeat(len(MINERS))
    x, y = x.repeat_interleave(counts), y.repeat_interleave(counts)
    return {"x": x - x.mean(), "grades": 3, "y": y}


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "beta": (2.5155, 0.0019, 0.3581, 0.0017),
    "cut[1]": (2.0801, 0.0013, 0.237, 0.0011),
    "cut[2]": (2.9836, 0.0014, 0.2687, 0.0012),
}
