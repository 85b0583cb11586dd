"""Predator and prey: Lotka-Volterra equations solved in the program.

Source: Lotka (1925), Elements of Physical Biology, and Volterra (1926), Nature 118:558-560;
priors close to those of Carpenter (2018), "Predator-prey population dynamics: the
Lotka-Volterra model in Stan", written through standard normals: random starting points are
then draws of the prior's order, whose orbits follow the data well enough to lead to the mode.
The solver is Runge-Kutta of order four with ten steps a year, written as a loop.
Data: pelts of snowshoe hare and Canadian lynx in thousands, Hudson's Bay Company, 1900-1920:
Howard (2009), from Elton and Nicholson (1942), Journal of Animal Ecology 11:215-244.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

STEPS_A_YEAR = 10
HARE = [
    30.0, 47.2, 70.2, 77.4, 36.3, 20.6, 18.1, 21.4, 22.0, 25.4, 27.1, 40.3, 57.0, 76.6, 52.3,
    19.5, 11.2, 7.6, 14.6, 16.2, 24.7,
]  # fmt: skip
LYNX = [
    4.0, 6.1, 9.8, 35.2, 59.4, 41.7, 19.0, 13.0, 8.3, 9.1, 7.4, 8.0, 12.3, 19.5, 45.7, 51.1,
    29.7, 15.8, 9.7, 10.1, 8.6,
]  # fmt: skip


def lotka_volterra(years: int, y: torch.Tensor | None = None) -> None:
    """`y`: thousands of hares and lynx, shape (year, 2), the first year the initial one."""
    z = pyro.sample("z", dist.Normal(0.0, 1.0).expand([3, 2]).to_event(2))
    growth = pyro.deterministic("growth", torch.exp(-0.5 + 0.25 * z[..., 0, :]))
    meeting = pyro.deterministic("meeting", torch.exp(-3.5 + 0.5 * z[..., 1, :]))
    start = pyro.deterministic("start", torch.exp(2.5 + z[..., 2, :]))
    sigma = pyro.sample("sigma", dist.LogNormal(-1.0, 1.0).expand([2]).to_event(1))
    sign = torch.tensor([1.0, -1.0])

    def slope(population: torch.Tensor) -> torch.Tensor:
        return population * sign * (growth - meeting * population.flip(-1))

    trajectory = [start]
    for _ in range(years - 1):
        population = trajectory[-1]
        for _ in range(STEPS_A_YEAR):
            population = runge_kutta_step(slope, population, 1.0 / STEPS_A_YEAR)
        trajectory.append(population)
    expected = torch.stack(trajectory, -2)
    with pyro.plate("year", years):
        pyro.sample("y", dist.LogNormal(expected.log(), sigma).to_event(1), obs=y)


def runge_kutta_step(slope, z, h):
    """One step of the classic method of order four."""
    k1 = slope(z)
    k2 = slope(z + h / 2.0 * k1)
    k3 = slope(z + h / 2.0 * k2)
    k4 = slope(z + h * k3)
    return z + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)


def data() -> dict[str, torch.Tensor | int]:
    """The 21 years."""
    y = torch.tensor([HARE, LYNX], dtype=torch.float64).T.contiguous()
    return {"years": len(y), "y": y}


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "sigma[1]": (0.24764, 0.00022, 0.04259, 0.00027),
    "sigma[2]": (0.25035, 0.00022, 0.04313, 0.00025),
    "growth[1]": (0.56839, 0.00023, 0.05359, 0.00027),
    "growth[2]": (0.76492, 0.00029, 0.06927, 0.00036),
    "meeting[1]": (0.028973, 1.6e-05, 0.003655, 1.9e-05),
    "meeting[2]": (0.022806, 1.2e-05, 0.002769, 1.4e-05),
    "start[1]": (34.296, 0.014, 2.948, 0.016),
    "start[2]": (6.0498, 0.0025, 0.5206, 0.0028),
}
