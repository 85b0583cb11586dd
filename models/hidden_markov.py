"""A Poisson hidden Markov model: quiet and busy years, summed out.

Source: Zucchini and MacDonald, Hidden Markov Models for Time Series (2009), chapters 1-3. The
state of every year is recovered afterwards by exact sampling (forward filtering, backward
sampling); `state` holds all of them.
Data: major earthquakes (magnitude 7 or more) in the world per year, 1900-2006: Zucchini and
MacDonald (2009), table 1.1.
"""

from __future__ import annotations

import pyro
import pyro.distributions as dist
import torch

EARTHQUAKES = [
    13, 14, 8, 10, 16, 26, 32, 27, 18, 32, 36, 24, 22, 23, 22, 18, 25, 21, 21, 14, 8, 11, 14,
    23, 18, 17, 19, 20, 22, 19, 13, 26, 13, 14, 22, 24, 21, 22, 26, 21, 23, 24, 27, 41, 31, 27,
    35, 26, 28, 36, 39, 21, 17, 22, 17, 19, 15, 34, 10, 15, 22, 18, 15, 20, 15, 22, 19, 16, 30,
    27, 29, 23, 20, 16, 21, 21, 25, 16, 18, 15, 18, 14, 10, 15, 8, 15, 6, 11, 8, 7, 18, 16, 13,
    12, 13, 20, 15, 16, 12, 18, 15, 16, 13, 15, 16, 11, 11,
]  # fmt: skip


def hidden_markov(years: int, states: int = 2, y: torch.Tensor | None = None) -> None:
    """`y`: counts, shape (year,); states are ordered by rate."""
    staying = 1.0 + 9.0 * torch.eye(states)
    transition = pyro.sample("transition", dist.Dirichlet(staying).to_event(1))
    increase = pyro.sample("increase", dist.Gamma(2.0, 0.15).expand([states]).to_event(1))
    rate = pyro.deterministic("rate", increase.cumsum(-1))
    state, path = 0, []
    for year in pyro.markov(range(years)):
        from_here = transition[..., state, :] if year else torch.full((states,), 1.0 / states)
        state = pyro.sample(
            f"state_{year}", dist.Categorical(from_here), infer={"enumerate": "parallel"}
        )
        observed = None if y is None else y[year]
        pyro.sample(f"y_{year}", dist.Poisson(rate[..., state]), obs=observed)
        path.append(state)
    with pyro.plate("year", years):
        pyro.deterministic("state", torch.stack(path, -1), event_dim=0)


def data() -> dict[str, torch.Tensor | int]:
    """The 107 years."""
    y = torch.tensor(EARTHQUAKES, dtype=torch.float64)
    return {"years": len(y), "y": y}


# Pooled long runs of NUTS and MAMS: mean, its error, standard deviation, its error.
reference = {
    "transition[1,1]": (0.92308, 0.00019, 0.03687, 0.0002),
    "transition[1,2]": (0.07692, 0.00019, 0.03687, 0.0002),
    "transition[2,1]": (0.10273, 0.00026, 0.05088, 0.00025),
    "transition[2,2]": (0.89727, 0.00026, 0.05088, 0.00025),
    "increase[1]": (15.0845, 0.0054, 0.9139, 0.0047),
    "increase[2]": (10.4147, 0.0057, 1.1178, 0.0055),
    "rate[1]": (15.0845, 0.0054, 0.9139, 0.0047),
    "rate[2]": (25.4992, 0.0082, 1.5199, 0.0066),
}
