"""A mixture of three normals; who belongs to which is summed out.

Source: Richardson and Green (1997), "On Bayesian analysis of mixtures with an unknown number
of components", Journal of the Royal Statistical Society B 59:731-792. Ordered means (the
lowest, and log-normal gaps) name the components, which are recovered afterwards by exact sampling.
Data: velocities of 82 galaxies, in 1000 km/s: Roeder (1990), "Density estimation with
confidence sets exemplified by superclusters and voids in the galaxies", Journal of the
American Statistical Association 85:617-624.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

VELOCITIES = [
    9172, 9350, 9483, 9558, 9775, 10227, 10406, 16084, 16170, 18419, 18552, 18600, 18927, 19052,
    19070, 19330, 19343, 19349, 19440, 19473, 19529, 19541, 19547, 19663, 19846, 19856, 19863,
    19914, 19918, 19973, 19989, 20166, 20175, 20179, 20196, 20215, 20221, 20415, 20629, 20795,
    20821, 20846, 20875, 20986, 21137, 21492, 21701, 21814, 21921, 21960, 22185, 22209, 22242,
    22249, 22314, 22374, 22495, 22746, 22747, 22888, 22914, 23206, 23241, 23263, 23484, 23538,
    23542, 23666, 23706, 23711, 24129, 24285, 24289, 24366, 24717, 24990, 25633, 26690, 26995,
    32065, 32789, 34279,
]  # fmt: skip


def gaussian_mixture(galaxies: int, components: int = 3, y: torch.Tensor | None = None) -> None:
    """`y`: velocities in 1000 km/s, shape (galaxy,)."""
    weights = pyro.sample("weights", dist.Dirichlet(torch.ones(components)))
    z = pyro.sample("z", dist.Normal(0.0, 1.0).expand([components]).to_event(1))
    lowest, gaps = 10.0 + 2.0 * z[..., :1], 10.0 * torch.exp(0.25 * z[..., 1:])
    mu = pyro.deterministic("mu", torch.cat([lowest, gaps], -1).cumsum(-1))
    sigma = pyro.sample("sigma", dist.LogNormal(0.5, 0.3).expand([components]).to_event(1))
    with pyro.plate("galaxy", galaxies):
        component = pyro.sample(
            "component", dist.Categorical(weights), infer={"enumerate": "parallel"}
        )
        pyro.sample("y", dist.Normal(mu[component], sigma[component]), obs=y)


def data() -> dict[str, torch.Tensor | int]:
    """The 82 galaxies."""
    y = torch.tensor(VELOCITIES, dtype=torch.float64) / 1000.0
    return {"galaxies": len(y), "y": y}


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "weights[1]": (0.09412, 0.00012, 0.03142, 0.00018),
    "weights[2]": (0.8572, 0.00015, 0.03816, 0.0002),
    "weights[3]": (0.048671, 0.0001, 0.02403, 0.00014),
    "sigma[1]": (1.1141, 0.0015, 0.316, 0.0022),
    "sigma[2]": (2.17535, 0.00074, 0.1789, 0.001),
    "sigma[3]": (1.6695, 0.003, 0.5184, 0.0035),
    "mu[1]": (9.7769, 0.0024, 0.4213, 0.0027),
    "mu[2]": (21.388, 0.0011, 0.2595, 0.0013),
    "mu[3]": (32.6527, 0.0074, 1.0806, 0.0094),
}
