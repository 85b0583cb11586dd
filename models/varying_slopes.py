"""Varying intercepts and slopes, correlated: a growth line for every rat.

Source: Gelfand, Hills, Racine-Poon and Smith (1990), "Illustration of Bayesian inference in
normal data models using Gibbs sampling", Journal of the American Statistical Association
85:972-985, and BUGS Examples volume 1 (rats); the correlation has an LKJ prior: Lewandowski,
Kurowicka and Joe (2009), Journal of Multivariate Analysis 100:1989-2001. Non-centred.
Data: weights (g) of 30 young rats at days 8, 15, 22, 29 and 36 (Gelfand et al. 1990).
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

WEIGHTS = [
    (151, 199, 246, 283, 320), (145, 199, 249, 293, 354), (147, 214, 263, 312, 328),
    (155, 200, 237, 272, 297), (135, 188, 230, 280, 323), (159, 210, 252, 298, 331),
    (141, 189, 231, 275, 305), (159, 201, 248, 297, 338), (177, 236, 285, 350, 376),
    (134, 182, 220, 260, 296), (160, 208, 261, 313, 352), (143, 188, 220, 273, 314),
    (154, 200, 244, 289, 325), (171, 221, 270, 326, 358), (163, 216, 242, 281, 312),
    (160, 207, 248, 288, 324), (142, 187, 234, 280, 316), (156, 203, 243, 283, 317),
    (157, 212, 259, 307, 336), (152, 203, 246, 286, 321), (154, 205, 253, 298, 334),
    (139, 190, 225, 267, 302), (146, 191, 229, 272, 302), (157, 211, 250, 285, 323),
    (132, 185, 237, 286, 331), (160, 207, 257, 303, 345), (169, 216, 261, 295, 333),
    (157, 205, 248, 289, 316), (137, 180, 219, 258, 291), (153, 200, 244, 286, 324),
]  # fmt: skip
DAYS = (8, 15, 22, 29, 36)


def varying_slopes(
    rat_index: torch.Tensor, weeks: torch.Tensor, rats: int, y: torch.Tensor | None = None
) -> None:
    """Shape (measurement,): index of the rat, weeks from day 22, weight in g; `rats`: count."""
    mu_alpha = pyro.sample("mu_alpha", dist.Normal(250.0, 50.0))
    mu_beta = pyro.sample("mu_beta", dist.Normal(40.0, 20.0))
    tau = pyro.sample("tau", dist.HalfNormal(torch.tensor([25.0, 10.0])).to_event(1))
    correlation = pyro.sample("correlation_cholesky", dist.LKJCholesky(2, 2.0))
    sigma = pyro.sample("sigma", dist.HalfNormal(20.0))
    with pyro.plate("rat", rats):
        z = pyro.sample("z", dist.Normal(0.0, 1.0).expand([2]).to_event(1))
        deviation = z @ (tau.unsqueeze(-1) * correlation).mT
        alpha = pyro.deterministic("alpha", mu_alpha + deviation[..., 0], event_dim=0)
        beta = pyro.deterministic("beta", mu_beta + deviation[..., 1], event_dim=0)
    pyro.deterministic("correlation", correlation[..., 1, 0])
    with pyro.plate("measurement", len(weeks)):
        pyro.sample("y", dist.Normal(alpha[rat_index] + beta[rat_index] * weeks, sigma), obs=y)


def data() -> dict[str, torch.Tensor | int]:
    """The 30 rats, one row per measurement."""
    weights = torch.tensor(WEIGHTS, dtype=torch.float64)
    weeks = (torch.tensor(DAYS, dtype=torch.float64) - 22.0) / 7.0
    return {
        "rat_index": torch.arange(len(weights)).repeat_interleave(len(DAYS)),
        "weeks": weeks.repeat(len(weights)),
        "rats": len(weights),
        "y": weights.flatten(),
    }


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "mu_alpha": (242.654, 0.014, 2.734, 0.013),
    "mu_beta": (43.2926, 0.0038, 0.7716, 0.0037),
    "sigma": (6.1015, 0.0028, 0.4624, 0.002),
    "correlation": (0.58136, 0.00093, 0.14925, 0.00067),
    "tau[1]": (14.642, 0.015, 2.026, 0.011),
    "tau[2]": (3.6736, 0.0042, 0.6425, 0.0031),
    "alpha[1]": (239.84, 0.012, 2.654, 0.014),
    "alpha[2]": (248.445, 0.012, 2.674, 0.013),
    "alpha[3]": (252.533, 0.011, 2.672, 0.014),
    "beta[1]": (42.4192, 0.0072, 1.584, 0.0073),
    "beta[2]": (48.9262, 0.0087, 1.7448, 0.0077),
    "beta[3]": (45.6033, 0.0073, 1.6088, 0.0075),
}
