"""Varying intercepts: one level per child and a common slope.

Source: Gelman and Hill, Data Analysis Using Regression and Multilevel/Hierarchical Models
(2007), chapter 12; this data in Pinheiro and Bates, Mixed-Effects Models in S and S-PLUS
(2000), section 4.2.
Data: distance from the pituitary to the pterygomaxillary fissure (mm) of 27 children at
ages 8, 10, 12 and 14: Potthoff and Roy (1964), "A generalized multivariate analysis of
variance model useful especially for growth curve problems", Biometrika 51:313-326.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

BOYS = [
    (26, 25, 29, 31), (21.5, 22.5, 23, 26.5), (23, 22.5, 24, 27.5), (25.5, 27.5, 26.5, 27),
    (20, 23.5, 22.5, 26), (24.5, 25.5, 27, 28.5), (22, 22, 24.5, 26.5), (24, 21.5, 24.5, 25.5),
    (23, 20.5, 31, 26), (27.5, 28, 31, 31.5), (23, 23, 23.5, 25), (21.5, 23.5, 24, 28),
    (17, 24.5, 26, 29.5), (22.5, 25.5, 25.5, 26), (23, 24.5, 26, 30), (22, 21.5, 23.5, 25),
]  # fmt: skip
GIRLS = [
    (21, 20, 21.5, 23), (21, 21.5, 24, 25.5), (20.5, 24, 24.5, 26), (23.5, 24.5, 25, 26.5),
    (21.5, 23, 22.5, 23.5), (20, 21, 21, 22.5), (21.5, 22.5, 23, 25), (23, 23, 23.5, 24),
    (20, 21, 22, 21.5), (16.5, 19, 19, 19.5), (24.5, 25, 28, 28),
]  # fmt: skip
AGES = (8, 10, 12, 14)


def varying_intercepts(
    child_index: torch.Tensor, age: torch.Tensor, boy: torch.Tensor, y: torch.Tensor | None = None
) -> None:
    """`boy` is (child,), 1 for boys; the rest is (measurement,): index of the child, age
    in years from 11, distance in mm."""
    mu = pyro.sample("mu", dist.Normal(25.0, 10.0))
    gamma = pyro.sample("gamma", dist.Normal(0.0, 5.0))
    tau = pyro.sample("tau", dist.HalfNormal(5.0))
    beta = pyro.sample("beta", dist.Normal(0.0, 2.0))
    sigma = pyro.sample("sigma", dist.HalfNormal(5.0))
    with pyro.plate("child", len(boy)):
        alpha = pyro.sample("alpha", dist.Normal(mu + gamma * boy, tau))
    with pyro.plate("measurement", len(age)):
        pyro.sample("y", dist.Normal(alpha[child_index] + beta * age, sigma), obs=y)


def data() -> dict[str, torch.Tensor]:
    """The 27 children, boys first, one row per measurement."""
    distance = torch.tensor(BOYS + GIRLS, dtype=torch.float64)
    boy = torch.zeros(len(distance), dtype=torch.float64)
    boy[: len(BOYS)] = 1.0
    age = torch.tensor(AGES, dtype=torch.float64) - 11.0
    return {
        "child_index": torch.arange(len(distance)).repeat_interleave(len(AGES)),
        "age": age.repeat(len(distance)),
        "boy": boy,
        "y": distance.flatten(),
    }


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "mu": (22.6846, 0.0027, 0.6148, 0.0036),
    "gamma": (2.2593, 0.0035, 0.794, 0.0044),
    "tau": (1.8937, 0.0015, 0.3268, 0.0019),
    "beta": (0.65963, 0.00026, 0.06262, 0.00033),
    "sigma": (1.45552, 0.00056, 0.11721, 0.0006),
    "alpha[1]": (27.3609, 0.0027, 0.6898, 0.0039),
    "alpha[2]": (23.5896, 0.0028, 0.68, 0.0037),
    "alpha[3]": (24.3414, 0.0029, 0.6775, 0.0037),
}
