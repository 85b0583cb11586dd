"""An epidemic (SIR): its equations solved in the program.

Source: Kermack and McKendrick (1927), "A contribution to the mathematical theory of
epidemics", Proceedings of the Royal Society A 115:700-721; priors of Grinsztajn, Semenova,
Margossian and Riou (2021), Statistics in Medicine 40:6209-6234. The solver is Runge-Kutta of
order four with eight steps a day, written as a loop.
Data: boys in bed with influenza in an English boarding school of 763, 22 January to 4
February 1978: Anonymous (1978), British Medical Journal 1:587.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

from probgen.models.lotka_volterra import runge_kutta_step

STEPS_A_DAY = 8
BOYS = 763
IN_BED = [3, 8, 26, 76, 225, 298, 258, 233, 189, 128, 68, 29, 14, 4]


def susceptible_infected(days: int, population: int = BOYS, y: torch.Tensor | None = None) -> None:
    """`y`: infected per day, shape (day,); one boy is infected on the day before the first."""
    beta = pyro.sample("beta", dist.LogNormal(0.5, 0.5))
    gamma = pyro.sample("gamma", dist.LogNormal(-0.7, 0.5))
    dispersion = pyro.sample("dispersion", dist.Exponential(0.2))
    pyro.deterministic("reproduction_number", beta / gamma)

    def slope(state: torch.Tensor) -> torch.Tensor:
        infections = beta * state[..., 0] * state[..., 1] / population
        recoveries = gamma * state[..., 1]
        return torch.stack([-infections, infections - recoveries], -1)

    state = torch.tensor([population - 1.0, 1.0])
    infected = []
    for _ in range(days):
        for _ in range(STEPS_A_DAY):
            state = runge_kutta_step(slope, state, 1.0 / STEPS_A_DAY)
        infected.append(state[..., 1])
    mean = torch.stack(infected, -1).clamp(min=1e-6)
    with pyro.plate("day", days):
        # Negative binomial: mean as above, variance mean + mean**2 / dispersion.
        logits = mean.log() - dispersion.log()
        pyro.sample("y", dist.NegativeBinomial(dispersion, logits=logits), obs=y)


def data() -> dict[str, torch.Tensor | int]:
    """The 14 days."""
    return {"days": len(IN_BED), "y": torch.tensor(IN_BED, dtype=torch.float64)}


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "beta": (1.73267, 0.00032, 0.0556, 0.0004),
    "gamma": (0.53906, 0.00028, 0.04669, 0.00029),
    "dispersion": (8.297, 0.021, 3.892, 0.026),
    "reproduction_number": (3.2373, 0.0018, 0.2903, 0.003),
}
